"""torch.compile (Inductor): whole steps, update included, from autograd and from hand-written
gradients, with several steps per call where that is faster.

The mode reduce-overhead means CUDA graphs, so it does nothing on a CPU.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.peers.work import LR, Absent, Build, Peer, Work, arrays, forward
from handgrad.engine import Batch, Params, State
from handgrad.engine.fused import Fused
from handgrad.models import MLP

Gradients = Callable[[Params, State, Tensor, Tensor], tuple[Tensor, Params, State]]


def autograd(model: MLP) -> Gradients:
    """The lecture's forward pass; gradients by torch.func, which torch.compile takes whole."""

    def loss_of(params: Params, x: Tensor, y: Tensor) -> tuple[Tensor, State]:
        loss, statistics = forward(params, model, x, y)
        return loss, dict(_named(statistics))

    def gradients(params: Params, state: State, x: Tensor, y: Tensor) -> Any:
        both = torch.func.grad_and_value(loss_of, has_aux=True)
        grads, (loss, found) = both(params, x, y)
        return loss, grads, {n: torch.lerp(old, found[n], 0.001) for n, old in state.items()}

    return gradients


def by_hand(model: MLP) -> Gradients:
    """The fused layers' forward and backward passes."""
    engine = Fused(model)
    return lambda params, state, x, y: engine.loss_and_grads(params, state, Batch(x, y))


def compiled(make: Callable[[MLP], Gradients], unroll: int = 1, **options: Any) -> Build:
    """A peer that runs `unroll` steps of the block per call (one if it does not divide the block).

    Raises Absent where Inductor cannot work, usually because there is no compiler.
    """

    def build(work: Work, steps: int) -> Peer:
        inputs, targets, rows = work.tensors()
        params, state = work.start()
        gradients, at_once = make(work.model), unroll if steps % unroll == 0 else 1

        def several(params: Params, state: State, ix: Tensor) -> Tensor:
            loss = ix.new_zeros(())
            values, running = params, state
            for i in range(at_once):
                loss, grads, running = gradients(values, running, inputs[ix[i]], targets[ix[i]])
                values = {name: value - LR * grads[name] for name, value in values.items()}
            for name, value in (values | running).items():
                (params if name in params else state)[name].copy_(value)
            return loss

        if options.get("mode") == "reduce-overhead":
            # a graph may write to its inputs only if their addresses are known to be fixed
            for tensor in (*params.values(), *state.values()):
                torch._dynamo.mark_static_address(tensor)
        torch._dynamo.reset()  # what another cell compiled would count towards a limit
        step = torch.compile(several, fullgraph=True, dynamic=False, **options)
        with torch.no_grad():
            try:
                step(params, state, rows[:at_once])
            except Exception as error:
                raise Absent(f"torch.compile failed: {str(error).splitlines()[0]}") from error
        for tensors, start in ((params, work.params), (state, work.state)):
            for name, tensor in tensors.items():
                tensor.copy_(torch.from_numpy(start[name]))

        @torch.no_grad()
        def run(first: int) -> float:
            for i in range(first, first + steps, at_once):
                start = i % len(rows)
                loss = step(params, state, rows[start : start + at_once])
            return loss.item()

        return Peer(run, lambda: arrays(params | state))

    return build


def _named(statistics: list[Any]) -> Iterator[tuple[str, Tensor]]:
    for suffix, bnmean, bnvar in statistics:
        yield f"bnmean_running{suffix}", bnmean
        yield f"bnvar_running{suffix}", bnvar
