"""Names that hold a different value at a line than in the forward pass.

A line may be correct as written, and wrong because of the values of its names: n was assigned
again, a tensor was modified in-place or computed again, a gradient is left over from the previous
batch. The line runs again with the value that one name had in the forward pass; if that gives the
correct gradient, the name is the cause.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from handgrad.checker.explain.search.names import is_float
from handgrad.checker.explain.search.once import once
from handgrad.checker.explain.search.shares import op_name
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.record.carriers import tensor_of
from handgrad.checker.record.gradient_names import hand_names
from handgrad.checker.record.trace import Bind, Op

MOST = 200
"""Operations of the forward pass in which the value of a name is looked for."""
How = Literal["overwritten", "rebuilt", "rebound", "left over", "earlier"]


@dataclass(frozen=True)
class Changed:
    """A name with its value now and then; `given` is the value to run with, per scene.

    `node` is the forward tensor of that name, or the tensor whose left-over gradient it is.
    """

    name: str
    how: How
    now: Any
    then: Any
    given: tuple[Any, ...]
    node: Bind | None = None


def changed(suspect: Suspect, *hows: How) -> Changed | None:
    """Return the name that explains the error, if it changed in one of these ways."""
    found = _found(suspect)
    return found if found is not None and found.how in hows else None


def set_at(suspect: Suspect, found: Changed) -> str:
    """Return ` (line 3)`, where the name was assigned its current value; empty if unknown."""
    made = assigned(suspect, found)
    return f" ({made[0].statement.place})" if made else ""


def assigned(suspect: Suspect, found: Changed) -> list[Bind]:
    """Return the assignments that gave the name its current value."""
    binds = suspect.forward.trace.of(Bind)
    return [b for b in binds if b.value is found.now and b.name == found.name and not b.alias]


@once
def _found(suspect: Suspect) -> Changed | None:
    if suspect.text is None:
        return None
    for name in dict.fromkeys(n.id for n in suspect.text.of(ast.Name)):
        for candidate in _candidates(suspect, name):
            values = [{name: value} for value in candidate.given]
            if all(suspect.is_right_with(value, view) for view, value in enumerate(values)):
                return candidate
    return None


def _candidates(suspect: Suspect, name: str) -> Iterator[Changed]:
    names = suspect.scope
    if name not in names or name == suspect.hand.name:
        return
    now, node = names.given(name), suspect.names.get(name)
    count = len(suspect.trials)
    if node is not None:
        yield from _of_node(suspect, name, now, node, count)
    elif (old := _left_over(suspect, name, now)) is not None:
        yield Changed(name, "left over", now, None, (suspect.forward.truth[old.index],), old)
    elif others := list(_made_again(suspect, name, now)):
        yield from (Changed(name, "earlier", now, None, (other,) * count) for other in others)
    elif (then := _in_forward(suspect, name)) is not None and not _same(now, then[0]):
        yield Changed(name, "rebound", now, then[0], then * count)


def _of_node(suspect: Suspect, name: str, now: Any, node: Bind, count: int) -> Iterator[Changed]:
    trace, end = suspect.forward.trace, suspect.forward.end + 1
    at = suspect.hand.own_final().index
    if now is node.value:
        if torch.equal(trace.at(now, at), trace.at(now, end)):
            return
        how: How = "overwritten"
    else:
        how = "rebuilt" if isinstance(now, Tensor) and now.is_floating_point() else "rebound"
    then = suspect.backward.replayed.get(node.value, end).detach()
    yield Changed(name, how, now, node.value, (then,) * count, node)


def _made_again(suspect: Suspect, name: str, now: Any) -> Iterator[Tensor]:
    """Yield what this forward pass computes as another one computed the value of the name."""
    forward = suspect.forward
    made = [op for op in forward.trace.of(Op) if any(t is now for t in op.outputs)]
    if not made or not is_float(now) or made[0].index >= forward.end:
        return
    own = [event for event in forward.events if type(event) is Op]
    if any(value is now for op in own for value in (*op.inputs, *op.outputs)):
        return
    for op in own[-MOST:]:
        for value in op.outputs:
            if op_name(op) == op_name(made[0]) and value.shape == now.shape:
                yield suspect.backward.replayed.get(value, forward.end + 1).detach()


def _left_over(suspect: Suspect, name: str, now: Any) -> Bind | None:
    """Return the node whose gradient the name holds from before this forward pass."""
    if not is_float(now) or name in {h.name for h in suspect.backward.hands.values()}:
        return None
    node = suspect.names.get(hand_names({name, *suspect.names}).get(name, ""))
    made = [b for b in suspect.forward.trace.of(Bind) if b.value is now and b.name == name]
    if node is None or not made or made[-1].index > suspect.forward.end:
        return None
    return node if node.index in suspect.forward.truth else None


def _in_forward(suspect: Suspect, name: str) -> tuple[Any, ...] | None:
    """Return the value that a name had once the loss was computed, in the same function."""
    forward, function = suspect.forward, suspect.statement.function
    scopes = (
        b.scope for b in reversed(forward.trace.events[: forward.end + 2])
        if type(b) is Bind and b.scope is not None and b.statement.function == function
    )  # fmt: skip
    scope = next((s for s in scopes if s.names), None)
    if scope is None or name not in scope.names:
        return None
    value = tensor_of(scope.names[name])
    if isinstance(value, Tensor):
        value = forward.trace.at(value, forward.end + 1).detach()
        return (value.double() if is_float(value) else value,)
    return (value,) if isinstance(value, int | float | tuple | str | torch.Size) else None


def _same(now: Any, then: Any) -> bool:
    if isinstance(now, Tensor) and isinstance(then, Tensor):
        return now.shape == then.shape and bool((now == then).all())
    return now is then or (type(now) is type(then) and bool(now == then))
