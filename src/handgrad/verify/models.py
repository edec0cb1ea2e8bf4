"""The models that `handgrad verify` and the test of all engines cover, by name."""

import torch

from handgrad.engine import Batch
from handgrad.models import (
    CONTEXTS,
    GRU,
    LSTM,
    MLP,
    RNN,
    BagOfWords,
    Bigram,
    MicroGPT,
    Model,
    Transformer,
    WaveNet,
    is_random,
)

LECTURE = "lecture"

MODEL_CASES: dict[str, tuple[Model, int]] = {
    # name: (model, contexts or words in a batch)
    LECTURE: (MLP(27, n_hidden=64), 32),
    "lecture, 200 wide": (MLP(27), 32),
    "no hidden layer": (MLP(5, block_size=2, n_embd=3, n_layer=0), 7),
    "no batchnorm": (MLP(11, n_embd=3, n_hidden=5, batchnorm=False), 1),
    "two rows": (MLP(3, block_size=1, n_embd=1, n_hidden=1), 2),
    "primes": (MLP(7, block_size=5, n_embd=3, n_hidden=13, n_layer=2), 17),
    "deep": (MLP(27, n_hidden=20, n_layer=5, hidden_bias=False, batchnorm_output=True), 32),
    "block of 16": (MLP(27, block_size=16, n_embd=4, n_hidden=30), 64),
    "hierarchical": (WaveNet(27, n_embd=6, n_hidden=12), 32),
    "hierarchical, one pair": (WaveNet(5, block_size=2, n_embd=3, n_hidden=7), 11),
    "bigram table": (Bigram(27), 32),
    "bag of words": (BagOfWords(11, block_size=7, n_embd=5, n_hidden=3), 13),
    "recurrent": (RNN(27, n_embd=8, n_hidden=16), 32),
    "recurrent, one character": (RNN(3, block_size=1, n_embd=1, n_hidden=1), 2),
    "recurrent, two layers": (RNN(5, block_size=7, n_embd=3, n_hidden=5, n_layer=2, truncate=3), 5),
    "gated": (GRU(11, block_size=13, n_embd=7, n_hidden=5), 17),
    "gated, one word": (GRU(5, block_size=11, n_embd=3, n_hidden=2, truncate=2), 1),
    "long short-term": (LSTM(11, block_size=13, n_embd=7, n_hidden=5), 17),
    "long short-term, one word": (LSTM(5, block_size=11, n_embd=3, n_hidden=2), 1),
    "attention": (Transformer(27, n_embd=16, n_head=4, n_layer=2), 32),
    "attention, one head": (Transformer(7, block_size=5, n_embd=3, n_head=1, n_layer=1), 11),
    "attention, dropout, tied": (
        Transformer(7, block_size=6, n_embd=6, n_head=2, n_layer=1, dropout=0.2, tied=True),
        13,
    ),
    "gated, dropout": (GRU(11, block_size=13, n_embd=7, n_hidden=5, dropout=0.3), 17),
    "attention, one character": (Transformer(3, block_size=1, n_embd=2, n_head=2, n_layer=1), 1),
    "attention, long words": (MicroGPT(5, block_size=67, n_embd=10, n_head=2), 3),
    "micro": (MicroGPT(27), 16),
}

COMPILED = {
    *(case for case, (model, _) in MODEL_CASES.items() if isinstance(model, MLP)),
    "hierarchical, one pair",
    "bigram table",
    "bag of words",
    "recurrent",
    "gated",
    "long short-term",
    "attention, one head",
    "micro",
}
"""Cases that are verified in the compiled engine too: a step takes up to half a minute to compile,
once per machine, and training verifies its own step before it starts."""


def is_compiled_in(case: str, dtype: torch.dtype) -> bool:
    """Return whether a case is verified in the compiled engine: float64 only for the lecture's."""
    model, _ = MODEL_CASES[case]
    return case in COMPILED and (dtype == torch.float32 or isinstance(model, MLP))


def random_batch(model: Model, size: int, generator: torch.Generator) -> Batch:
    """Return a batch of random symbols: `size` contexts, or words of 1 to block_size characters."""

    def integers(low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.randint(low, high, shape, generator=generator)

    if model.batches == CONTEXTS:
        inputs = integers(0, model.vocab_size, size, model.block_size)
        return Batch(inputs, integers(0, model.vocab_size, size))
    lengths = integers(1, model.block_size + 1, size)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    inputs, targets = integers(0, model.vocab_size, 2, int(offsets[-1]))
    key = integers(0, 1 << 30, 2) if is_random(model) else None
    return Batch(inputs, targets, offsets, key)
