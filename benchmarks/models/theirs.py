"""makemore.py's own training: `theirs.py time|loss MAKEMORE WORDS MODEL BATCH STEPS LR`.

`time` prints microseconds per step, `loss` the loss on our val split, in nats per character, after
STEPS steps on our train split: AdamW with makemore.py's settings.
"""

import importlib.util
import sys
import time
from typing import Any

import numpy as np
import torch

from handgrad.data import open_dataset

BLOCK = 10
"""Steps in a block; the time of a step is the median over blocks."""


def load(path: str) -> Any:
    """Return makemore.py as a module."""
    spec = importlib.util.spec_from_file_location("makemore", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model_of(makemore: Any, name: str, vocab_size: int, block_size: int) -> Any:
    """Return a model of makemore.py at its default sizes."""
    config = makemore.ModelConfig(
        vocab_size=vocab_size, block_size=block_size, n_layer=4, n_head=4, n_embd=64, n_embd2=64
    )
    kinds = {
        "transformer": makemore.Transformer,
        "bigram": makemore.Bigram,
        "mlp": makemore.MLP,
        "bow": makemore.BoW,
    }
    if name in kinds:
        return kinds[name](config)
    return makemore.RNN(config, cell_type=name)


def main(what: str, path: str, words: str, name: str, batch: int, steps: int, lr: float) -> float:
    """Return microseconds per step, or the loss on our val split."""
    torch.set_num_threads(1)
    torch.manual_seed(3407)
    makemore, dataset = load(path), open_dataset(words)
    chars = list(dataset.vocabulary.symbols[1:])
    train, val = (
        makemore.CharDataset(list(dataset.words(split)), chars, dataset.longest)
        for split in ("train", "val")
    )
    block_size = train.get_output_length()
    model = model_of(makemore, name, train.get_vocab_size(), block_size)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=lr, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8
    )
    rows = [
        torch.stack(column) for column in zip(*(train[i] for i in range(len(train))), strict=True)
    ]
    times = []
    start = time.perf_counter()
    for step in range(1, steps + 1):
        chosen = torch.randint(0, len(train), (batch,))
        _, loss = model(rows[0][chosen], rows[1][chosen])
        model.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % BLOCK == 0:
            times.append((time.perf_counter() - start) / BLOCK * 1e6)
            start = time.perf_counter()
    return float(np.median(times[1:])) if what == "time" else _loss(model, val)


@torch.no_grad()
def _loss(model: Any, val: Any) -> float:
    model.eval()
    total, count = 0.0, 0
    for first in range(0, len(val), 500):
        part = [val[i] for i in range(first, min(first + 500, len(val)))]
        inputs, targets = (torch.stack(column) for column in zip(*part, strict=True))
        _, loss = model(inputs, targets)
        kept = int((targets >= 0).sum())
        total, count = total + float(loss) * kept, count + kept
    return total / count


if __name__ == "__main__":
    _, kind, makemore_path, source, model_name, batch_size, n_steps, rate = sys.argv
    print(main(kind, makemore_path, source, model_name, int(batch_size), int(n_steps), float(rate)))
