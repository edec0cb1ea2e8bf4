"""Wrong gradients that a function returned: the lines in it that computed them are to blame.

`loss, dscores = svm_loss(scores, y)` may be wrong because of any line in `svm_loss`. Where no cause
shows which, it is the one that changed the elements that are wrong, or all that computed it. Where
the function is right in another statement, the call is to blame: its arguments are wrong.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from torch import Tensor

from handgrad.checker.judge.grade import Grade
from handgrad.checker.judge.statements import grouped, responsible
from handgrad.checker.pairs.backward import BackwardReplay
from handgrad.checker.pairs.hands import Definition
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.call import Call
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Op, key_of


def with_returned(forward: Pass, grades: Sequence[Grade], explained: Set[int]) -> list[Grade]:
    """Return the grades; a call without a cause gives way to the lines of the function.

    `explained` are the numbers of the pairs whose line has a cause.
    """
    changed = []
    for grade in grades:
        own = [statement for statement, _ in grouped(grade.hand)]
        alone = grade.root and grade.alias is None and grade.blamed.statements == tuple(own)
        if alone and len(own) == 1 and grade.hand.number not in explained:
            statements = _calling(forward, grades, grade) or _inside(forward, grades, grade)
            if statements:
                grade = replace(grade, blamed=replace(grade.blamed, statements=statements))
        changed.append(grade)
    return changed


def _calling(forward: Pass, grades: Sequence[Grade], grade: Grade) -> tuple[Statement, ...]:
    """Return the statement whose call returned the gradient, if the line is right in others."""
    final = grade.hand.own_final()
    call = final.call
    if call is None or call.end is None or all(u.value is not final.value for u in call.returned):
        return ()
    others = (g.hand.own_final() for g in grades if not g.root)
    if not any(b.statement == final.statement and b.call is not call for b in others):
        return ()
    later = (e for e in forward.trace.events[call.end :] if type(e) is Bind)
    statement = next((e.statement for e in later if e.call is call.caller), None)
    return () if statement is None else (statement,)


def _inside(forward: Pass, grades: Sequence[Grade], grade: Grade) -> tuple[Statement, ...]:
    """Return the lines to blame of the function that returned the gradient; none without one."""
    final = grade.hand.own_final()
    call = _returned_by(forward, final)
    if call is None or any(_is_right_with(forward, g, call) for g in grades):
        return ()
    pairs = [g.hand for g in grades if g.hand is not grade.hand]
    hand = Definition(grade.hand.number, final.name, [*_named(forward, call, final), final])
    replay = BackwardReplay(forward, [*pairs, hand], substitute=True)
    run = replay.run()
    own = {id(e) for e in forward.events}
    alone = BackwardReplay(forward, [hand], substitute=False)
    within = range(call.begin, call.end or 0)
    ops = [e for e in alone.events() if type(e) is Op and e.index in within and id(e) not in own]
    statements = dict.fromkeys(op.ran_in[0] for op in ops if op.ran_in is not None)
    truth, noise = forward.truth[grade.hand.node.index], forward.noise[grade.hand.node.index]
    if len(hand.binds) < 2 or len(statements) < 2:
        return tuple(statements)
    return _one(hand, run.changes, truth, noise, statements) or tuple(statements)


def _one(
    hand: Definition,
    changes: Mapping[int, Tensor],
    truth: Tensor,
    noise: Tensor,
    statements: Mapping[Statement, None],
) -> tuple[Statement, ...]:
    """Return the one line that changed the wrong elements, where the lines are all of one name."""
    groups = grouped(hand)
    last = list(statements)[-1]
    lines = [statement for statement, _ in groups[:-1]]
    if set(statements) - {*lines, last}:
        return ()
    (found,) = responsible(groups, changes, truth, noise)
    return (last,) if found is groups[-1][0] else (found,)


def _returned_by(forward: Pass, final: Bind) -> Call | None:
    """Return the call, in the statement that named the gradient, that returned it."""
    if final.kind != "assign":
        return None
    for call in reversed(forward.trace.calls):
        if _ended_before(call, final) and any(u.value is final.value for u in call.returned):
            return call if _is_in(forward, call, final) else None
    return None


def _ended_before(call: Call, bind: Bind) -> bool:
    return call.end is not None and call.end <= bind.index and call.caller is bind.call


def _is_in(forward: Pass, call: Call, bind: Bind) -> bool:
    """Tell whether a call was made in the statement that set a name."""
    later = (e for e in forward.trace.events[call.end : bind.index] if type(e) is Bind)
    return all(e.statement is bind.statement for e in later if e.call is bind.call)


def _is_right_with(forward: Pass, grade: Grade, call: Call) -> bool:
    """Tell whether another statement is right in which the same function was called."""
    return not grade.root and any(
        other.function == call.function
        and _ended_before(other, bind)
        and _is_in(forward, other, bind)
        for other in forward.trace.calls
        if other is not call
        for bind in grade.hand.binds
    )


def _named(forward: Pass, call: Call, final: Bind) -> list[Bind]:
    """Return the statements of the one name in the function that holds the unfinished gradient."""
    shape, own = final.value.shape, {key_of(b.value) for b in forward.nodes()}
    events = forward.trace.events[call.begin : call.end]
    binds = [
        e
        for e in events
        if type(e) is Bind
        and e.call is call
        and e.kind in ("assign", "update")
        and e.value.shape == shape
        and e.value.is_floating_point()
        and key_of(e.value) not in own
    ]
    names = {b.name for b in binds}
    return binds if len(names) == 1 else []
