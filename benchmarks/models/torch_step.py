"""Training steps of torch.compile (Inductor): two ways, of which the faster counts.

One graph: forward, gradients by torch.func and AdamW in one compiled function. Autograd: the
forward and its backward compiled, then torch.optim.AdamW in its fused form.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.models.torch_forward import Tensors, loss_of
from benchmarks.models.work import HYPER, LR, Absent, Build, Run, Work, schedule
from handgrad.engine import to_tensors
from handgrad.optim.optimizers import is_matrix


def one_graph(work: Work, **options: Any) -> Run:
    """Raises Absent where Inductor cannot work, usually because there is no compiler."""
    inputs, targets, p, state = _start(work)
    first, second = ({n: torch.zeros_like(x) for n, x in p.items()} for _ in range(2))
    gradients = torch.func.grad_and_value(partial(loss_of, work.model), has_aux=True)

    def step(
        p: Tensors, state: Tensors, first: Tensors, second: Tensors, rows: Tensor, rates: Tensor
    ) -> Tensor:
        grads, (loss, moved) = gradients(p, state, inputs[rows], targets[rows])
        lr, bias1, root_bias2 = rates.unbind()
        for name, grad in grads.items():
            mean = torch.lerp(first[name], grad, 1 - HYPER.beta1)
            square = HYPER.beta2 * second[name] + (1 - HYPER.beta2) * grad * grad
            kept = 1 - lr * HYPER.weight_decay if is_matrix(grad.shape) else 1
            denominator = square.sqrt() / root_bias2 + HYPER.eps
            p[name].copy_(kept * p[name] - lr / bias1 * mean / denominator)
            first[name].copy_(mean)
            second[name].copy_(square)
        for name, value in moved.items():
            state[name].copy_(value)
        return torch.as_tensor(loss)

    compiled = torch.compile(step, fullgraph=True, dynamic=False, **options)

    @torch.no_grad()
    def run(at: int, steps: int) -> float:
        rows = torch.from_numpy(work.rows(at, steps)).unbind()
        rates = torch.from_numpy(schedule(at, steps).astype(np.float32)).unbind()
        for i in range(steps):
            loss = _called(compiled, p, state, first, second, rows[i], rates[i])
        return float(loss)

    return run


def autograd(work: Work, **options: Any) -> Run:
    """Raises Absent where Inductor cannot work."""
    inputs, targets, p, state = _start(work)
    leaves = {name: value.requires_grad_() for name, value in p.items()}
    decayed = [x for x in leaves.values() if is_matrix(x.shape)]
    others = [x for x in leaves.values() if not is_matrix(x.shape)]
    groups = [
        {"params": decayed, "weight_decay": HYPER.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=LR,
        betas=(HYPER.beta1, HYPER.beta2),
        eps=HYPER.eps,
        fused=True,
    )

    def forward(p: Tensors, state: Tensors, rows: Tensor) -> Tensor:
        loss, moved = loss_of(work.model, p, state, inputs[rows], targets[rows])
        for name, value in moved.items():
            state[name].copy_(value)
        return loss

    compiled = torch.compile(forward, fullgraph=True, dynamic=False, **options)

    def run(at: int, steps: int) -> float:
        for rows in torch.from_numpy(work.rows(at, steps)).unbind():
            optimizer.zero_grad(set_to_none=True)
            loss = _called(compiled, leaves, state, rows)
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return run


def _start(work: Work) -> tuple[Tensor, Tensor, Tensors, Tensors]:
    inputs, targets = torch.from_numpy(work.inputs), torch.from_numpy(work.targets)
    return inputs, targets, to_tensors(work.params), to_tensors(work.state)


def _called(compiled: Any, *arguments: Any) -> Tensor:
    try:
        return torch.as_tensor(compiled(*arguments))
    except torch._dynamo.exc.TorchDynamoException as error:
        raise Absent(f"torch.compile failed: {str(error).splitlines()[0]}") from error


WAYS: dict[str, Build] = {"one graph": one_graph, "autograd, fused AdamW": autograd}
"""What is in the table; the faster counts."""
