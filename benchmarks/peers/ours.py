"""handgrad's own engines."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.peers.work import LR, SEED, Absent, Build, Peer, Work, arrays
from handgrad.engine import ENGINES, Batch
from handgrad.engine.compiled.memory import copied
from handgrad.engine.compiled.step import TrainingStep
from handgrad.engine.compiled.threads import threads
from handgrad.optim import OPTIMIZERS, Hyperparameters
from handgrad.processors import available
from handgrad.training.backends import backend_of
from handgrad.training.folder import RunFolder
from handgrad.training.interrupt import Stop
from handgrad.training.settings import TrainSettings
from handgrad.training.state import Checkpoint

_SET = ExitStack()
"""Never left: the compiled engine's BLAS has one thread, and no peer uses it."""
FOUND = 32
"""Calls in which the compiled engine measures how many threads help, as at the start of a run."""


def engine(name: str) -> Build:
    """A step of ENGINES[name], called from Python, with handgrad's update."""

    def build(work: Work, steps: int) -> Peer:
        made, optimizer = ENGINES[name](work.model), OPTIMIZERS["sgd"]
        inputs, targets, rows = work.tensors()
        params, state = work.start()
        memory, hyper = optimizer.tensors(params), Hyperparameters()

        def run(first: int) -> float:
            nonlocal state
            for step in range(first, first + steps):
                ix = rows[step % len(rows)]
                batch = Batch(inputs[ix], targets[ix])
                loss, grads, state = made.loss_and_grads(params, state, batch)
                rates = optimizer.rates(LR, step, hyper)
                optimizer.update(params, grads, memory, rates, hyper)
            return loss.item()

        return Peer(run, lambda: arrays({**params, **state}))

    return build


def trained(work: Work, steps: int) -> Peer:
    """The steps of `handgrad train --engine fused` on the device, with batches from the host.

    Raises Absent if something that it needs is missing here.
    """
    settings = TrainSettings(
        batch_size=work.cell.batch_size,
        lr=LR,
        schedule="constant",
        seed=SEED,
        engine="fused",
        device=work.device,
    ).resolved()
    run = RunFolder(Path(), work.model, work.dataset.vocabulary, settings, "", "")
    said: list[str] = []
    start = Checkpoint(0, *work.start(), optimizer={})
    made = backend_of(settings.engine).steps(run, work.dataset, start, said.append)
    if said:
        raise Absent(said[0])

    def block(first: int) -> float:
        losses: list[float] = []
        for at in range(first, first + steps, made.most):
            losses = made.go(at, min(at + made.most, first + steps), Stop())
        return losses[-1]

    return Peer(block, lambda: arrays({**made.params, **made.state}))


def compiled(work: Work, steps: int) -> Peer:
    """Blocks of steps in one call, on the same batches.

    It uses as many threads as it measures to help, up to the number of cores.
    """
    params, state = (copied(of, "float32") for of in (work.params, work.state))
    _SET.enter_context(threads(available(), work.model, work.cell.batch_size))
    step = TrainingStep(work.model, work.cell.batch_size, params, state)
    positions = work.rows + work.dataset.splits["train"][0]
    schedule = np.full((steps, 3), LR)

    def run(first: int) -> float:
        wanted = np.arange(first, first + steps) % len(positions)
        return float(step.run(work.dataset.tokens, positions[wanted], schedule)[-1])

    if available() > 1:
        for _ in range(FOUND):
            run(0)
        for kept, start in ((params, work.params), (state, work.state)):
            for name, array in kept.items():
                array[...] = start[name]
    return Peer(run, lambda: {k: array.copy() for k, array in {**params, **state}.items()})
