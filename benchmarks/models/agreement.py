"""How far the compiled and the fused engine are apart after 1,000 steps in float64, same batches.

`agreement.py WORDS MODEL OPTIMIZER SIZE=VALUE...` prints the largest difference of two losses.
"""

import argparse
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.models.turns import numbers
from benchmarks.models.work import HYPER, schedule
from benchmarks.peers.child import run as run_child
from handgrad.data import Batches, WordBatches, open_dataset
from handgrad.engine import Batch, to_tensors
from handgrad.engine.compiled.memory import copied
from handgrad.engine.compiled.step import TrainingStep
from handgrad.engine.fused import Fused
from handgrad.models import CONTEXTS, MODELS, Model, make_model
from handgrad.optim import OPTIMIZERS

STEPS, BATCH_SIZE, AIM = 1000, 32, 1e-10
LR = {"sgd": 0.1, "adamw": 1e-3}
SMALL = {"n_embd": 8, "n_hidden": 16, "n_layer": 2}
"""Sizes of the models that have them."""
Losses = npt.NDArray[np.float64]


def table(options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"Largest difference of the losses of {STEPS:,} steps in float64, {BATCH_SIZE} examples."
    yield ""
    yield "| model | sizes | SGD | AdamW | aim |"
    yield "|---|---|---:|---:|---:|"
    for name in MODELS:
        sizes = small(name)
        off = [
            float(run_child(["-m", "benchmarks.models.agreement", options.data, name, how, *sizes]))
            for how in LR
        ]
        yield f"| {name} | {' '.join(sizes)} | {off[0]:.0e} | {off[1]:.0e} | {AIM:.0e} |"


def small(name: str) -> list[str]:
    """Return the sizes of a small model as arguments."""
    has = MODELS[name].__dataclass_fields__
    return [f"{size}={value}" for size, value in SMALL.items() if size in has]


def largest_difference(
    source: str, name: str, optimizer: str, sizes: dict[str, int], steps: int
) -> float:
    """Train both from one start on the same batches; return the largest difference of the losses.

    Raises RuntimeError if the loss is not finite, or does not fall.
    """
    dataset = open_dataset(source)
    model = make_model(name, dataset.vocabulary.size, dataset.longest, sizes)
    given = dataset, "train", BATCH_SIZE, model.block_size, 1
    batches = Batches(*given, model.padding) if model.batches == CONTEXTS else WordBatches(*given)
    of_fused = _fused(model, optimizer, batches, steps)
    of_compiled = _compiled(model, optimizer, dataset.tokens, batches.positions(0, steps))
    if not of_fused[-10:].mean() < of_fused[0]:
        raise RuntimeError(f"{name}, {optimizer}: loss {of_fused[0]:.3f}, then {of_fused[-1]:.3f}")
    return float(np.abs(of_fused - of_compiled).max())


def _fused(model: Model, optimizer: str, batches: Batches | WordBatches, steps: int) -> Losses:
    how, engine = OPTIMIZERS[optimizer], Fused(model)
    params, state = (to_tensors(x, torch.float64) for x in model.initialise(model.default_init, 1))
    moments, losses = how.tensors(params), np.empty(steps)
    for step in range(steps):
        batch = Batch(*(torch.from_numpy(x) for x in batches.at(step)))
        loss, grads, state = engine.loss_and_grads(params, state, batch)
        losses[step] = float(loss)
        how.update(params, grads, moments, how.rates(LR[optimizer], step, HYPER), HYPER)
    return losses


def _compiled(
    model: Model, optimizer: str, tokens: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]
) -> Losses:
    params, state = (copied(x, np.float64) for x in model.initialise(model.default_init, 1))
    moments = copied(OPTIMIZERS[optimizer].tensors(params), np.float64)
    step = TrainingStep(model, BATCH_SIZE, params, state, moments, optimizer, HYPER)
    rows = positions.reshape(-1, BATCH_SIZE)
    return step.run(tokens, rows, schedule(0, len(rows), LR[optimizer]))


if __name__ == "__main__":
    _, words, model_name, how_trained, *rest = sys.argv
    torch.set_num_threads(1)
    print(largest_difference(words, model_name, how_trained, numbers(rest), STEPS))
