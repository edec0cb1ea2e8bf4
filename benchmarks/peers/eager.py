"""PyTorch, eagerly: the lecture's own loop, gradients by loss.backward()."""

import torch

from benchmarks.peers.work import LR, Arrays, Peer, Work, forward
from handgrad.engine import to_tensors


def lecture(work: Work, steps: int) -> Peer:
    """As the lecture's notebooks train: running statistics of part 3, forward pass of part 4."""
    inputs, targets = torch.from_numpy(work.inputs), torch.from_numpy(work.targets)
    rows, model = torch.from_numpy(work.rows), work.model
    p = {name: value.requires_grad_() for name, value in to_tensors(work.params).items()}
    parameters = list(p.values())
    state = to_tensors(work.state)

    def run(first: int) -> float:
        for step in range(first, first + steps):
            ix = rows[step % len(rows)]
            loss, statistics = forward(p, model, inputs[ix], targets[ix])
            with torch.no_grad():
                for suffix, bnmean, bnvar in statistics:
                    mean, var = f"bnmean_running{suffix}", f"bnvar_running{suffix}"
                    state[mean] = 0.999 * state[mean] + 0.001 * bnmean
                    state[var] = 0.999 * state[var] + 0.001 * bnvar
            for parameter in parameters:
                parameter.grad = None
            loss.backward()  # type: ignore[no-untyped-call]
            for parameter in parameters:
                parameter.data += -LR * parameter.grad  # type: ignore[operator]
        return loss.item()

    def values() -> Arrays:
        return {name: tensor.detach().numpy().copy() for name, tensor in {**p, **state}.items()}

    return Peer(run, values)
