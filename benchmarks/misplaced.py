"""Reproduce the published table's batchnorm row, which comes from a misplaced parenthesis.

The row is in a notebook whose evaluation still has, as a comment, the line that produced it,

    hpreact = bngain * (hpreact - mean / std) + bnbias

which divides the mean, not the difference, by the standard deviation. That is a shift, no batch
normalisation. Training and evaluating with this line, with the notebook's generator and order of
draws, gives the row to its last digit (2.0459063053131104 where this was written). With the
correct parenthesis the same program ends at 2.0668270587921143 and 2.104844808578491, as the
lecture prints.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from handgrad.data import Dataset, open_dataset

SEED, BATCH_SIZE, BLOCK_SIZE, STEPS = 2147483647, 32, 3, 200_000


def misplaced_parenthesis(data: str) -> list[float]:
    """[train, val] loss in nats per character; takes about 70 s on one core."""
    dataset = open_dataset(data)
    inputs, targets = _split(dataset, "train")
    generator = torch.Generator().manual_seed(SEED)
    p = _start(dataset.vocabulary.size, generator)
    for step in range(STEPS):
        nth = torch.randint(0, len(inputs), (BATCH_SIZE,), generator=generator)
        loss = _loss(p, inputs[nth], targets[nth])
        for parameter in p.values():
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        lr = 0.1 if step < STEPS // 2 else 0.01
        for parameter in p.values():
            parameter.data += -lr * parameter.grad  # type: ignore[operator]
    with torch.no_grad():
        return [_loss(p, *_split(dataset, split)).item() for split in ("train", "val")]


def _start(vocab_size: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The notebook's parameters, drawn in its order."""
    n_embd, n_hidden = 10, 200
    fan_in = n_embd * BLOCK_SIZE
    params = {
        "C": torch.randn((vocab_size, n_embd), generator=generator),
        "W1": torch.randn((fan_in, n_hidden), generator=generator) * (5 / 3) / fan_in**0.5,
        "b1": torch.randn(n_hidden, generator=generator) * 0.01,
        "W2": torch.randn((n_hidden, vocab_size), generator=generator) * 0.01,
        "b2": torch.randn(vocab_size, generator=generator) * 0,
        "bngain": torch.ones((1, n_hidden)),
        "bnbias": torch.zeros((1, n_hidden)),
    }
    return {name: value.requires_grad_() for name, value in params.items()}


def _loss(p: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss; batchnorm always uses the statistics of these inputs."""
    prebn = p["C"][inputs].flatten(1) @ p["W1"] + p["b1"]
    mean, std = prebn.mean(0, keepdim=True), prebn.std(0, keepdim=True)
    h = torch.tanh(p["bngain"] * (prebn - mean / std) + p["bnbias"])
    return F.cross_entropy(h @ p["W2"] + p["b2"], targets)


def _split(dataset: Dataset, split: str) -> tuple[Tensor, Tensor]:
    inputs, targets = dataset.contexts(np.arange(*dataset.splits[split]), BLOCK_SIZE)
    return torch.from_numpy(inputs), torch.from_numpy(targets)
