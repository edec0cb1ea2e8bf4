"""One training step of the lecture's model: ours beside the lecture's own eager autograd loop.

    python -m benchmarks.steps [--seconds 20] [--json FILE]

Peers take turns in blocks of steps within one process on one core; the figure is the median over
rounds of the ratio within a round, so that a drifting machine cancels. A step is everything that
the loop does a step: draw a batch, forward, backward, update.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from handgrad.data import Batches, Dataset, open_dataset
from handgrad.engine import ENGINES, Batch, to_tensors
from handgrad.models import MLP
from handgrad.train.optimizer import OPTIMIZERS
from handgrad.train.settings import TrainSettings

BATCH_SIZE, BLOCK_SIZE, LR = 32, 3, 0.1
STEPS_A_BLOCK = 200
Step = Callable[[int], None]


def lecture_autograd(dataset: Dataset, model: MLP) -> Step:
    """The loop of the lecture's part 3, as its notebook trains: gradients by loss.backward()."""
    inputs, targets = _whole_split(dataset)
    generator = torch.Generator().manual_seed(2147483647)
    arrays, _ = model.initialise("exercise")
    p = {name: value.requires_grad_() for name, value in to_tensors(arrays).items()}
    parameters = list(p.values())
    running = {"mean": torch.zeros(1, model.n_hidden), "std": torch.ones(1, model.n_hidden)}

    def step(_: int) -> None:
        ix = torch.randint(0, inputs.shape[0], (BATCH_SIZE,), generator=generator)
        emb = p["C"][inputs[ix]]
        prebn = emb.view(emb.shape[0], -1) @ p["W1"] + p["b1"]
        mean, std = prebn.mean(0, keepdim=True), prebn.std(0, keepdim=True)
        h = torch.tanh(p["bngain"] * (prebn - mean) / std + p["bnbias"])
        with torch.no_grad():
            running["mean"] = 0.999 * running["mean"] + 0.001 * mean
            running["std"] = 0.999 * running["std"] + 0.001 * std
        loss = F.cross_entropy(h @ p["W2"] + p["b2"], targets[ix])
        for parameter in parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter in parameters:
            parameter.data += -LR * parameter.grad  # type: ignore[operator]

    return step


def ours(engine_name: str) -> Callable[[Dataset, MLP], Step]:
    """Our own step with the engine of that name: batches, gradients, update."""

    def build(dataset: Dataset, model: MLP) -> Step:
        batches = Batches(dataset, "train", BATCH_SIZE, BLOCK_SIZE, seed=1)
        engine, optimizer = ENGINES[engine_name](model), OPTIMIZERS["sgd"]
        arrays, state_arrays = model.initialise("exercise")
        params, state = to_tensors(arrays), to_tensors(state_arrays)
        memory, settings = optimizer.tensors(params), TrainSettings().resolved()

        def step(number: int) -> None:
            nonlocal state
            inputs, targets = batches.at(number)
            batch = Batch(torch.from_numpy(inputs), torch.from_numpy(targets))
            _, grads, state = engine.loss_and_grads(params, state, batch)
            optimizer.update(params, grads, memory, LR, number, settings)

        return step

    return build


REFERENCE = "lecture, autograd"
PEERS: dict[str, Callable[[Dataset, MLP], Step]] = {
    REFERENCE: lecture_autograd,
    "ours, autograd": ours("autograd"),
    "ours, chunked": ours("chunked"),
    "ours, fused": ours("fused"),
}


def measure(seconds: float) -> dict[str, dict[str, float]]:
    """Per peer: the median microseconds a step and the median ratio to the reference."""
    dataset, model = open_dataset("names"), MLP(27)
    steps = {name: build(dataset, model) for name, build in PEERS.items()}
    times: dict[str, list[float]] = {name: [] for name in PEERS}
    number, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, step in steps.items():
            start = time.perf_counter()
            for i in range(number, number + STEPS_A_BLOCK):
                step(i)
            times[name].append((time.perf_counter() - start) / STEPS_A_BLOCK * 1e6)
        number += STEPS_A_BLOCK
    reference = times[REFERENCE][1:]  # the first round warms up
    return {
        name: {
            "microseconds": statistics.median(taken[1:]),
            "times_faster": statistics.median(
                theirs / own for theirs, own in zip(reference, taken[1:], strict=True)
            ),
        }
        for name, taken in times.items()
    }


def _whole_split(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """All contexts of the train split in one tensor, as the notebooks hold them."""
    import numpy as np

    inputs, targets = dataset.contexts(np.arange(*dataset.splits["train"]), BLOCK_SIZE)
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def main() -> None:
    """Pin, measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # Linux alone
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    found = measure(arguments.seconds)
    print(f"{'step of the lecture’s model, batch 32, one core':50s} us a step   times faster")
    for name, row in found.items():
        print(f"{name:50s} {row['microseconds']:9.0f}   {row['times_faster']:12.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
