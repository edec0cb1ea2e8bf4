"""Time our step beside torch.compile's and JAX's, in turn, in one process on one core.

`beside.py WORDS MODEL BATCH TURNS SIZE=VALUE...` prints JSON: name -> microseconds of each turn,
or why the peer cannot run. Times are CPU times: on one core without other work they are wall times,
and other work does not count. A peer whose loss after a block differs from ours is an error.
"""

import json
import statistics
import sys
import time

import numpy as np
import torch

from benchmarks.models.jax_step import scan
from benchmarks.models.torch_step import one_graph
from benchmarks.models.turns import numbers
from benchmarks.models.work import HYPER, Build, Run, Work, prepare, schedule
from benchmarks.peers.work import Absent
from handgrad.engine.compiled.memory import copied
from handgrad.engine.compiled.step import TrainingStep
from handgrad.optim import OPTIMIZERS

STEPS = 20
"""Steps in a block; the time of a turn is the median over its blocks."""
SECONDS = 0.5
"""Time spent in a turn."""
MOST_BLOCKS = 500
"""In a turn; the blocks of turn i begin at the same batch for every peer."""
OURS, TORCH, JAX = "handgrad", "torch.compile", "JAX"
TOLERANCE = 2e-3
"""Relative, of the loss after STEPS steps: float32 rounding, which the steps add to, is below 1e-4,
and a batch that differs changes it by 1e-2 and more."""


def ours(work: Work) -> Run:
    """Return our compiled step, which packs the words of a batch."""
    params, state = (copied(x, np.float32) for x in (work.params, work.state))
    moments = copied(OPTIMIZERS["adamw"].tensors(params), np.float32)
    step = TrainingStep(work.model, work.batch_size, params, state, moments, "adamw", HYPER)
    dataset = work.dataset
    begins = np.arange(*dataset.splits["train"])
    if work.model.batches == "words":
        begins = dataset.word_starts("train")

    def run(at: int, steps: int) -> float:
        losses = step.run(dataset.tokens, begins[work.rows(at, steps)], schedule(at, steps))
        return float(losses[-1])

    return run


PEERS: dict[str, Build] = {OURS: ours, TORCH: one_graph, JAX: scan}


def measure(work: Work, turns: int) -> dict[str, list[float] | str]:
    """Return the microseconds of a step, one number for each turn, or why a peer cannot run.

    Raises RuntimeError if a peer computes something else.
    """
    runs: dict[str, Run] = {}
    absent: dict[str, str] = {}
    losses: dict[str, float] = {}
    for name, build in PEERS.items():
        try:
            run = build(work)
            losses[name] = run(0, STEPS)
            runs[name] = run
        except Absent as reason:
            absent[name] = str(reason)
    for name, loss in losses.items():
        if not abs(loss / losses[OURS] - 1) < TOLERANCE:
            raise RuntimeError(f"{name}: loss {loss:.5f}, ours {losses[OURS]:.5f}")
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns):
        for name, run in runs.items():
            times[name].append(_turn(run, STEPS + turn * MOST_BLOCKS * STEPS))
    return {**times, **absent}


def _turn(run: Run, first: int) -> float:
    """Return the median over blocks of the microseconds of a step."""
    blocks: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(blocks) < 4 or (time.perf_counter() < end and len(blocks) < MOST_BLOCKS):
        start = time.process_time()
        run(first + len(blocks) * STEPS, STEPS)
        blocks.append((time.process_time() - start) / STEPS * 1e6)
    return statistics.median(blocks[1:])  # the first has cold caches


if __name__ == "__main__":
    _, source, model_name, batch, count, *rest = sys.argv
    torch.set_num_threads(1)
    work = prepare(source, model_name, int(batch), numbers(rest))
    print(json.dumps(measure(work, int(count))))
