"""Print microseconds per step of our compiled step: `ours.py MODEL BATCH WORDS SIZE=VALUE...`."""

import sys
import time

import numpy as np

from handgrad.data import Batches, WordBatches, open_dataset
from handgrad.engine.compiled.memory import copied
from handgrad.engine.compiled.step import TrainingStep
from handgrad.models import CONTEXTS, make_model
from handgrad.optim import OPTIMIZERS, Hyperparameters, bias_corrections

STEPS = 20
"""Steps in a block; the time of a step is the median over blocks."""
SECONDS = 3.0
"""Time spent in blocks."""
HYPER = Hyperparameters(0.01, 0.9, 0.99, 1e-8)


def main(name: str, batch_size: int, words: str, sizes: dict[str, int]) -> float:
    """Return the median microseconds of a step, batch included."""
    dataset = open_dataset(words)
    model = make_model(name, dataset.vocabulary.size, dataset.longest, sizes)
    params, state = (copied(x, np.float32) for x in model.initialise(model.default_init, 1))
    moments = copied(OPTIMIZERS["adamw"].tensors(params), np.float32)
    step = TrainingStep(model, batch_size, params, state, moments, "adamw", HYPER)
    given = dataset, "train", batch_size, model.block_size, 1
    batches = Batches(*given, model.padding) if model.batches == CONTEXTS else WordBatches(*given)
    updates = np.arange(STEPS) + 1.0
    bias1, bias2 = bias_corrections(HYPER, updates)
    schedule = np.stack([np.full(STEPS, 5e-4), bias1, np.sqrt(bias2)], axis=1)
    times: list[float] = []
    began, done = time.perf_counter(), 0
    while len(times) < 3 or time.perf_counter() - began < SECONDS:
        start = time.perf_counter()
        positions = batches.positions(done, STEPS).reshape(STEPS, batch_size)
        step.run(dataset.tokens, positions, schedule)
        times.append((time.perf_counter() - start) / STEPS * 1e6)
        done += STEPS
    return float(np.median(times[1:]))  # the first block compiles


if __name__ == "__main__":
    _, model_name, batch, source, *rest = sys.argv
    chosen = {key: int(value) for key, value in (one.split("=") for one in rest)}
    print(main(model_name, int(batch), source, chosen))
