"""Training steps of torch.compile (Inductor): forward, gradients and AdamW in one graph.

Other ways were tried. Without the C++ wrapper a step of microgpt or the rnn takes 1.1 times as
long; max-autotune, tried on microgpt, gains nothing. With `backward` of a compiled forward and the
fused AdamW of torch.optim, a step takes 1.1 (transformer) to 3 times as long (mlp).
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.models.torch_forward import Tensors, loss_of
from benchmarks.models.work import HYPER, Run, Work, schedule
from benchmarks.peers.work import Absent
from handgrad.engine import to_tensors
from handgrad.optim.optimizers import is_matrix


def one_graph(work: Work) -> Run:
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

    options: Any = {"cpp_wrapper": True}  # kernels are called from C++, not from Python
    compiled = torch.compile(step, fullgraph=True, dynamic=False, options=options)

    @torch.no_grad()
    def run(at: int, steps: int) -> float:
        rows = torch.from_numpy(work.rows(at, steps)).unbind()
        rates = torch.from_numpy(schedule(at, steps).astype(np.float32)).unbind()
        for i in range(steps):
            loss = _called(compiled, p, state, first, second, rows[i], rates[i])
        return float(loss)

    return run


def _start(work: Work) -> tuple[Tensor, Tensor, Tensors, Tensors]:
    inputs, targets = torch.from_numpy(work.inputs), torch.from_numpy(work.targets)
    return inputs, targets, to_tensors(work.params), to_tensors(work.state)


def _called(compiled: Any, *arguments: Any) -> Tensor:
    try:
        return torch.as_tensor(compiled(*arguments))
    except torch._dynamo.exc.TorchDynamoException as error:
        raise Absent(f"torch.compile failed: {str(error).splitlines()[0]}") from error
