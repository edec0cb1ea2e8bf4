"""Autograd's own gradients, computed just before the user's backward() runs."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from handgrad.checker.record.trace import Backward, Barrier, Bind, Trace, is_leaf

GRAD = torch.autograd.grad
"""As it is before a file runs, which may put another function in its place."""
SEEDS: Mapping[Any, tuple[int, str]] = {
    Tensor.backward: (1, "gradient"),
    torch.autograd.backward: (1, "grad_tensors"),
    GRAD: (2, "grad_outputs"),
}
"""The functions that run a backward pass: the position and the name of the upstream gradients."""


def asked(
    func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Tensor, ...], tuple[Tensor | None, ...]]:
    """Return the tensors that a backward() or grad() starts from, and their gradients (None: 1)."""
    outputs = args[0] if args else kwargs.get("tensors", kwargs.get("outputs"))
    position, name = SEEDS[func]
    seeds = args[position] if len(args) > position else kwargs.get(name)
    losses = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs or ())
    grads = (seeds,) if isinstance(seeds, Tensor) else tuple(seeds or (None,) * len(losses))
    return losses, grads


def gradients_of(trace: Trace, event: Backward) -> dict[int, Tensor]:
    """Return the gradient of every name that has one, by its bind's index."""
    binds = _live_binds(trace)
    retained = [b.value for b in binds if b.value.retains_grad]
    before = [t.grad for t in retained]
    gradients = GRAD(
        event.outputs,
        [b.edge for b in binds],
        grad_outputs=event.seeds,
        retain_graph=True,
        allow_unused=True,
    )
    for tensor, grad in zip(retained, before, strict=True):
        tensor.grad = grad  # retain_grad has filled it in during this call too
    return {b.index: g for b, g in zip(binds, gradients, strict=True) if g is not None}


def _live_binds(trace: Trace) -> list[Bind]:
    """Return the Binds in the graph: those since the last pause, and the leaves before it."""
    binds: list[Bind] = []
    for event in trace.events:
        if type(event) is Barrier:
            binds = [b for b in binds if is_leaf(b.value)]
        elif type(event) is Bind:
            if is_leaf(event.value) and event.value.requires_grad:  # set after it was named
                event.edge = edge_of(event.value)
            binds.append(event)
    return [b for b in binds if b.edge is not None]


def edge_of(value: Tensor) -> GradientEdge | None:
    """Return where the value's gradient arrives; None for a view of a leaf made under no_grad,
    which requires a gradient and has no edge."""
    try:
        return get_gradient_edge(value) if value.requires_grad else None
    except AssertionError:
        return None
