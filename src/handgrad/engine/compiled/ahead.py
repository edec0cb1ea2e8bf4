"""Compile everything for a first run, in two processes at once.

One compiles the step; this one compiles its evaluation and loads torch. Each process finds on disk
what the other has compiled.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np

from handgrad.engine.compiled.build import is_compiled, is_kept
from handgrad.engine.compiled.inference import CompiledInference
from handgrad.engine.compiled.memory import zeros_of
from handgrad.engine.compiled.names import batch_shapes
from handgrad.engine.compiled.source import step_source
from handgrad.engine.compiled.step import TrainingStep
from handgrad.engine.compiled.treatment import UNTREATED
from handgrad.models import MODELS, Model
from handgrad.optim import OPTIMIZERS, Treatment
from handgrad.processors import available


def compile_ahead(
    model: Model, optimizer: str, dtype: str, treatment: Treatment = UNTREATED
) -> None:
    """Compile what training needs, and load torch, which verifies it.

    Do nothing if there is only one CPU or if the cache folder is not writable: everything is then
    compiled at its first use.
    """
    source = step_source(model, optimizer, treatment)
    if is_compiled(source, dtype) or not is_kept() or available() < 2:
        return
    with _second_process(model, optimizer, dtype, treatment):
        compile_inference(model, dtype)
        import torch  # noqa: F401


def compile_step(
    model: Model, optimizer: str, dtype: str, treatment: Treatment = UNTREATED
) -> None:
    """Compile a step unless it is cached. Sizes do not matter, so the batch size is two."""
    params, state = zeros_of(model, dtype)
    moments = OPTIMIZERS[optimizer].tensors(params)
    step = TrainingStep(model, 2, params, state, moments, optimizer, treatment=treatment)
    step.loss_and_grads(*smallest_batch(model))


def compile_inference(model: Model, dtype: str) -> None:
    """Compile the model in evaluation mode unless it is cached."""
    inference = CompiledInference(model, *zeros_of(model, dtype))
    inputs, _, *offsets = smallest_batch(model)[:3]
    inference.logits(inputs, *offsets)
    inference.words(1).advance(np.zeros(1, np.int64))


def smallest_batch(model: Model) -> tuple[np.ndarray, ...]:
    """Return two contexts, or two words of one character: inputs, targets, offsets, key."""
    shapes = batch_shapes(model, 2, 2)
    batch = {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}
    if "offsets" in batch:
        batch["offsets"][...] = 0, 1, 2
    return tuple(batch.values())


@contextmanager
def _second_process(
    model: Model, optimizer: str, dtype: str, treatment: Treatment
) -> Iterator[None]:
    """Compile the step in another process, and wait for it at the end of the block.

    If it fails, this process compiles the step at its first use and reports the error there.
    """
    sizes: dict[str, Any] = asdict(model)  # type: ignore[call-overload]
    job = json.dumps([model.name, sizes, optimizer, dtype, treatment])
    command = [sys.executable, "-P", "-m", __name__, job]  # -P: no json.py of the working folder
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
        process.wait()
    finally:  # also after Ctrl-C
        process.kill()
        process.wait()


if __name__ == "__main__":
    name, sizes, optimizer, dtype, how = json.loads(sys.argv[1])
    compile_step(MODELS[name](**sizes), optimizer, dtype, Treatment(*how))
