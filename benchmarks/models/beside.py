"""Time our step beside torch.compile's and JAX's, in turn, in one process on one core.

`beside.py WORDS MODEL BATCH TURNS SIZE=VALUE...` prints JSON: name -> microseconds of each turn,
or why the peer cannot run. A peer whose loss after a block differs from ours is an error.
"""

import json
import statistics
import sys
import time

import numpy as np
import torch

from benchmarks.models.jax_step import scan
from benchmarks.models.torch_step import WAYS
from benchmarks.models.work import HYPER, Absent, Build, Run, Work, prepare, schedule
from handgrad.engine.compiled.memory import copied
from handgrad.engine.compiled.step import TrainingStep
from handgrad.optim import OPTIMIZERS

STEPS = 20
"""Steps in a block; the time of a turn is the median over its blocks."""
SECONDS = 0.5
"""Time spent in a turn."""
OURS, JAX = "handgrad", "JAX"
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


PEERS: dict[str, Build] = {OURS: ours, JAX: scan, **WAYS}


def measure(work: Work, turns: int) -> dict[str, list[float] | str]:
    """Return the microseconds of a step, one number for each turn, or why a peer cannot run.

    Raises RuntimeError if a peer computes something else.
    """
    times: dict[str, list[float] | str] = {}
    runs: dict[str, Run] = {}
    losses: dict[str, float] = {}
    for name, build in PEERS.items():
        try:
            run = build(work)
            losses[name] = run(0, STEPS)
        except Absent as absent:
            times[name] = str(absent)
            continue
        runs[name] = run
        if not abs(losses[name] / losses[OURS] - 1) < TOLERANCE:
            raise RuntimeError(f"{name}: loss {losses[name]:.5f}, ours {losses[OURS]:.5f}")
    taken: dict[str, list[float]] = {name: [] for name in runs}
    done = dict.fromkeys(runs, STEPS)
    for _ in range(turns):
        for name, run in runs.items():
            blocks: list[float] = []
            end = time.perf_counter() + SECONDS
            while len(blocks) < 4 or time.perf_counter() < end:
                start = time.process_time()
                run(done[name], STEPS)
                blocks.append((time.process_time() - start) / STEPS * 1e6)
                done[name] += STEPS
            taken[name].append(statistics.median(blocks[1:]))  # the first has cold caches
    return {**times, **taken}


if __name__ == "__main__":
    _, source, model_name, batch, rounds, *rest = sys.argv
    torch.set_num_threads(1)
    sizes = {key: int(value) for key, value in (one.split("=") for one in rest)}
    print(json.dumps(measure(prepare(source, model_name, int(batch), sizes), int(rounds))))
