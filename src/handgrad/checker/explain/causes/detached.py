"""The forward pass detaches a path, but the backward pass sends a gradient along it.

What: the gradient contains the contribution through .detach(), .data or torch.no_grad(), where
autograd stops.

Why: a detached tensor is a constant for everything after it, so no gradient flows through it.
Either the forward pass must not detach, or the backward pass must leave out that contribution.

Wrong:

    # gate = torch.sigmoid(h).detach()
    # y = gate * h
    dh = gate * dy + gate * (1 - gate) * h * dy

Right:

    dh = gate * dy
"""

from typing import Any

from torch import Tensor

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import terms
from handgrad.checker.explain.search.grammar.edit import corrected
from handgrad.checker.explain.search.paths import gradient_in
from handgrad.checker.explain.search.shares import op_name
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.passes.replay import Replay
from handgrad.checker.record.trace import Bind, Op

CODE = "HG133"
NAME = "detached path"
ORDER = 40
_STOPS = {"detach", "detach_", "data"}


def find(suspect: Suspect) -> Finding | None:
    """Compare the result with the gradient of a forward pass that detaches nothing."""
    if suspect.made.shape != suspect.right.shape:
        return None
    before = suspect.forward.trace.events[: suspect.forward.end + 1]
    stops = [e for e in before if type(e) is Op and _is_stop(e)]
    if not stops:
        return None
    whole = _attached(suspect, stops)
    if whole is None or whole.shape != suspect.right.shape or suspect.is_right(whole):
        return None
    if not suspect.is_right(suspect.made - whole + suspect.right):
        return None
    after = suspect.forward.trace.events[stops[-1].index :]
    where = next((event for event in after if type(event) is Bind), None)
    message = f"The forward pass detaches a path to {suspect.node.name}"
    at = "" if where is None else f" (`{where.statement.text}`, line {where.statement.place.line})"
    fix = corrected(suspect, terms.without_branch)
    what = "this line" if fix is not None and fix.startswith("#") else "it"
    return Finding(
        f"{message}{at}, but this line sends a gradient along it; autograd does not. Leave {what} "
        "out, or do not detach there.",
        fix,
    )


def _is_stop(event: Op) -> bool:
    name = op_name(event)
    if name == "__get__":  # of a property
        name = getattr(getattr(event.func, "__self__", None), "__name__", "")
    return name in _STOPS or not event.grad_enabled


def _attached(suspect: Suspect, stops: list[Op]) -> Tensor | None:
    """Return the node's gradient if nothing is detached."""
    forward = suspect.forward
    replay = _Attached(
        forward.trace, forward.leaves, grad=True, always_grad=True, start=forward.start
    )
    # what is detached from a leaf has the leaf's memory, and counts as one
    events = {e.index: e for e in (*stops, *forward.events)}
    replay.run(events[i] for i in sorted(events))
    return gradient_in(suspect, replay)


class _Attached(Replay):
    """A forward pass in which nothing is detached."""

    def _call(self, op: Op) -> Any:
        if _is_stop(op) and op.grad_enabled:
            tensor = self._map(op.args, op, set())[0]
            return tensor.view_as(tensor)
        return super()._call(op)
