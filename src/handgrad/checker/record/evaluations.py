"""Evaluations of a model again and again, of which only a number is left: they are not kept.

Under no_grad, an evaluation of the whole data set may need more memory than all that is judged. The
first one is kept: what it computed may be a loss that gradients by hand follow from.
"""

import dis
import re
from collections.abc import Sequence
from types import CodeType

from handgrad.checker.record.call import Call
from handgrad.checker.record.trace import Bind, Event, Op, Trace, key_of, tensors_in

LARGE = 32 * 2**20
"""The bytes from which it matters."""
_KEEPS = re.compile(r"^\s*[\w.]+\.\w+\s*=[^=]|\]\s*=[^=]|\.append\(|\.extend\(|\.update\(")
"""Statements that put something where it outlives the function."""

_ADDS = {"add", "append", "extend", "insert", "setdefault", "update"}
_STORES = {"STORE_ATTR", "STORE_SUBSCR", "STORE_GLOBAL", "STORE_DEREF"}
"""Methods and instructions of the function itself that do so."""


def is_spent(trace: Trace, call: Call, code: CodeType) -> bool:
    """Tell whether a call of `code` that just ended was such an evaluation, not the first one."""
    events = trace.events[call.begin :]
    ops = [event for event in events if type(event) is Op]
    same = [c for c in trace.calls if c.function == call.function and (c.end or 0) <= call.begin]
    earlier = [range(c.begin, c.end) for c in same if c.end is not None]
    if not (ops and earlier) or any(op.grad_enabled for op in ops):
        return False
    if not _begins(trace.events[: call.begin], earlier):
        return False
    if any(value.numel() > 1 for value in tensors_in(call.result)):
        return False
    made = {key_of(t): t for op in ops for t in op.outputs}
    given = {key_of(t) for op in ops for t in op.inputs} - made.keys()
    if any(key_of(t) in given for op in ops for t in op.writes):
        return False
    known = {key_of(t) for e in trace.events[: call.begin] if type(e) is Op for t in e.outputs}
    size = sum(t.untyped_storage().nbytes() for key, t in made.items() if key not in known)
    return size >= LARGE and not _keeps(events, code)


def _keeps(events: Sequence[Event], code: CodeType) -> bool:
    """Tell whether something that was computed may outlive the function."""
    stores = (instruction.opname for instruction in dis.get_instructions(code))
    if _ADDS.intersection(code.co_names) or _STORES.intersection(stores):
        return True
    texts = (event.statement.text for event in events if type(event) is Bind)
    return any(map(_KEEPS.search, texts))


def _begins(before: Sequence[Event], earlier: Sequence[range]) -> bool:
    """Tell whether it is the call that turned gradients off: they were on before it."""
    for event in reversed(before):
        if type(event) is Op and not any(event.index in span for span in earlier):
            return event.grad_enabled
    return False
