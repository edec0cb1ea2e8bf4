"""handgrad's own engines."""

import numpy as np
import torch

from benchmarks.peers.work import LR, Arrays, Build, Peer, Work
from handgrad.engine import ENGINES, Batch, to_tensors
from handgrad.engine.compiled.memory import copied
from handgrad.engine.compiled.step import Step
from handgrad.train.optimizer import OPTIMIZERS
from handgrad.train.settings import TrainSettings


def engine(name: str) -> Build:
    """A step by ENGINES[name], called from Python, with handgrad's own update."""

    def build(work: Work, steps: int) -> Peer:
        made, optimizer = ENGINES[name](work.model), OPTIMIZERS["sgd"]
        inputs, targets = torch.from_numpy(work.inputs), torch.from_numpy(work.targets)
        rows = torch.from_numpy(work.rows)
        params, state = to_tensors(work.params), to_tensors(work.state)
        memory, settings = optimizer.tensors(params), TrainSettings().resolved()

        def run(first: int) -> float:
            nonlocal state
            for step in range(first, first + steps):
                ix = rows[step % len(rows)]
                batch = Batch(inputs[ix], targets[ix])
                loss, grads, state = made.loss_and_grads(params, state, batch)
                rates = optimizer.rates(LR, step, settings)
                optimizer.update(params, grads, memory, rates, settings)
            return loss.item()

        return Peer(run, lambda: _numpy({**params, **state}))

    return build


def compiled(work: Work, steps: int) -> Peer:
    """Blocks of steps in one call, on the positions of the same batches."""
    params, state = (copied(arrays, "float32") for arrays in (work.params, work.state))
    step = Step(work.model, work.cell.batch_size, params, state)
    positions = work.rows + work.dataset.splits["train"][0]
    schedule = np.full((steps, 3), LR)

    def run(first: int) -> float:
        wanted = np.arange(first, first + steps) % len(positions)
        return float(step.run(work.dataset.tokens, positions[wanted], schedule)[-1])

    return Peer(run, lambda: {k: array.copy() for k, array in {**params, **state}.items()})


def _numpy(tensors: dict[str, torch.Tensor]) -> Arrays:
    return {name: tensor.numpy().copy() for name, tensor in tensors.items()}
