"""Whether what an update takes is a gradient of its step alone, and what becomes of it then."""

import torch
from torch import Tensor

from handgrad.checker.pairs.hands import Pair
from handgrad.checker.passes.compare import multiple_of
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.call import Update
from handgrad.checker.record.trace import Bind, Op, Trace, key_of
from handgrad.checker.record.updates import name_of, sets_all

_FAR, _TARGETS = 64, 8
"""How many events back the operations of a statement are looked for, and how many names it sets."""
_DECAYS = ("mul", "imul", "rmul", "multiply")
"""Functions that multiply a tensor by a number."""
_WHOLE = ("copy_", "zero_", "fill_")
"""Functions that replace all that a tensor held."""
_RESETS = ("zero", "fill", "copy", "imul", "mul")
"""Functions that may set the whole of a tensor to 0, as `*= 0` does."""


def keeps_state(forward: ForwardPass, value: Tensor, until: int) -> bool:
    """Tell whether a tensor is computed from one of an earlier step: a velocity, a moment."""
    inside = forward.memory
    wanted = {key_of(value)} - inside
    for event in reversed(forward.trace.events[: until + 1]):
        if not wanted:
            break
        if type(event) is not Op:
            continue
        made = {key_of(t) for t in event.outputs} & wanted
        if not made:
            continue
        if event.index < forward.start:
            return any(t.numel() > 1 and t.is_floating_point() for t in event.outputs)
        if not event.writes or replaces(event):
            wanted -= made
        wanted |= {key_of(t) for t in event.inputs if t.numel() > 1} - inside - made
    return False


def decayed_state(trace: Trace, first: Bind) -> Tensor | None:
    """Return what a velocity under a gradient's name held before its first statement of a step.

    None if it is no velocity.

    `dW *= 0.9` and then `dW += x.T @ dy` keep what earlier steps added, on purpose.
    """
    for event in trace.events[max(0, first.index - _FAR) : first.index]:
        if type(event) is not Op or event.ran_in is None or name_of(event) not in _DECAYS:
            continue
        if event.ran_in[0] is not first.statement or event.ran_in[1] < first.index - _TARGETS:
            continue
        old = next((t for t in event.inputs if _is_fraction(event, t)), None)
        before = (e for e in trace.events[: event.index] if type(e) is Bind)
        if old is not None and any(b.name == first.name and b.value is old for b in before):
            return trace.at(old, event.index).detach()
    return None


def _is_fraction(op: Op, scaled: Tensor) -> bool:
    """Tell whether an operation multiplies a tensor by a number other than 0 and 1."""
    others = [a for a in op.args if a is not scaled]
    plain = [a.detach() if isinstance(a, Tensor) else a for a in others]
    numbers = [float(a) for a in plain if not isinstance(a, Tensor) or a.numel() == 1]
    return len(others) == len(numbers) == 1 and numbers[0] not in (0.0, 1.0)


def replaces(op: Op) -> bool:
    """Tell whether an operation writes to the whole tensor, whatever it held before."""
    name = getattr(op.func, "__name__", "")
    return name in _WHOLE or op.func is torch.Tensor.zero_ or sets_all(op)


def resets(forward: Pass, pair: Pair, last: Bind) -> bool:
    """Tell whether a statement only sets a used gradient to 0, as before the next step."""
    before, key = pair.binds[-2], key_of(last.value)
    if forward.trace.at(last.value, last.index).any():
        return False
    makers = reversed(forward.trace.events[: last.index])
    maker = next((e for e in makers if type(e) is Op and key in map(key_of, e.writes)), None)
    if maker is None or not (replaces(maker) or name_of(maker) in _RESETS):
        return False
    if "mul" in name_of(maker) and key_of(pair.node.value) not in forward.leaves:
        return False
    if not forward.trace.at(before.value, before.index).any():
        return False
    later = (e for e in forward.trace.events[last.index + 1 :] if type(e) is Op)
    first = next((e for e in later if any(key_of(t) == key for t in e.inputs)), None)
    return first is None or bool(first.writes)  # nothing reads the 0 but what adds to it


def is_step(forward: Pass, node: Bind, last: Bind) -> bool:
    """Tell whether a statement scales a gradient to the step that an update takes as it is."""
    return any(
        update.levels[0] is last.value and key_of(update.parameter) == key_of(node.value)
        for update in forward.trace.of(Update)
        if update.index > last.index
    )


def adds_decay(forward: Pass, node: Bind, last: Bind) -> bool:
    """Tell whether a statement adds a multiple of the parameter that then takes the gradient."""
    at, key = forward.trace.at, key_of(node.value)
    taken = any(
        any(level is last.value for level in update.levels) and key_of(update.parameter) == key
        for update in forward.trace.of(Update)
        if update.index > last.index
    )
    maker = next((e for e in reversed(forward.trace.events[: last.index]) if type(e) is Op), None)
    before = maker.args[0] if maker is not None and maker.args else None
    if not taken or maker is None or not isinstance(before, Tensor):
        return False
    after, parameter = at(last.value, last.index).detach(), at(node.value, last.index).detach()
    if not before.shape == after.shape == parameter.shape:
        return False
    change = after.double() - at(before, maker.index).detach().double()
    noise = torch.finfo(after.dtype).eps * after.abs().double()
    return multiple_of(change, parameter.double(), noise) not in (None, 0.0)
