"""PyTorch, eagerly: the lecture's own loop, gradients by loss.backward()."""

import torch

from benchmarks.peers.work import LR, Peer, Work, arrays, forward


def lecture(work: Work, steps: int) -> Peer:
    """As the lecture's notebooks train: running statistics of part 3, forward pass of part 4."""
    (inputs, targets, rows), model = work.tensors(), work.model
    params, state = work.start()
    p = {name: value.requires_grad_() for name, value in params.items()}
    parameters = list(p.values())

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

    return Peer(run, lambda: arrays({**p, **state}))
