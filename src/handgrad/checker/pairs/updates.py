"""Whether what an update takes is a gradient of its step alone."""

import torch
from torch import Tensor

from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.trace import Op, key_of

_WHOLE = ("copy_", "zero_", "fill_")
"""Functions that replace all that a tensor held."""


def keeps_state(forward: ForwardPass, value: Tensor, until: int) -> bool:
    """Tell whether a tensor is computed from one of an earlier step: a velocity, a moment."""
    inside = {key_of(t) for e in forward.events if type(e) is Op for t in (*e.inputs, *e.outputs)}
    inside |= forward.leaves
    wanted = {key_of(value)} - inside
    for event in reversed(forward.trace.events[: until + 1]):
        if type(event) is not Op:
            continue
        made = {key_of(t) for t in event.outputs} & wanted
        if not made:
            continue
        if event.index < forward.start:
            return any(t.numel() > 1 and t.is_floating_point() for t in event.outputs)
        if not event.writes or _replaces(event):
            wanted -= made
        wanted |= {key_of(t) for t in event.inputs if t.numel() > 1} - inside - made
    return False


def _replaces(op: Op) -> bool:
    """Tell whether an operation writes to the whole tensor, whatever it held before."""
    name = getattr(op.func, "__name__", "")
    if name == "__setitem__":
        index = op.args[1]
        return index is Ellipsis or (isinstance(index, slice) and index == slice(None))
    return name in _WHOLE or op.func is torch.Tensor.zero_
