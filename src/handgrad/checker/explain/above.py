"""Lines above those that are wrong, which are to blame for them.

A line that makes what belongs to no node (`dout = 2 * (out - y) / len(y)`) is tried together with
the line that reads it. Where all that reads one name is wrong, as below `da = dh` in a layer that
forgets its activation, the line that set the name is tried with all of them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from handgrad.checker.explain.called import Explain, InFunction
from handgrad.checker.explain.search.finding import Explanation
from handgrad.checker.explain.search.scene import BackwardContext
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unnamed import suspects_above, unnamed_binds
from handgrad.checker.judge.grade import Grade
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind

FAR = 20_000
"""In a file with more events, no line is tried for what all that reads it lacks."""
LACKING = (None, "HG105", "HG109")
"""The causes that a line above may share: no cause, a factor, a local derivative."""


def binds_above(grades: Sequence[Grade]) -> list[Bind]:
    """Return the assignments whose moments are needed."""
    unnamed = [b for g in grades if g.root and g.unjudged for b in unnamed_binds(g)]
    shared = [bind for binds in _common(grades).values() for bind, _ in binds]
    return list({b.index: b for b in [*unnamed, *shared]}.values())


def lines_above(
    grades: Sequence[Grade],
    found: Mapping[int, Explanation],
    backward: BackwardContext,
    explain: Explain,
) -> list[InFunction]:
    """Return the lines above that are to blame for gradients, each with its corrected line."""
    lines: list[InFunction] = []
    done: set[int] = set()
    for statement, binds in _common(grades).items():
        numbers = [grade.hand.number for _, grade in binds]
        open_ = [n for n in numbers if n not in found or found[n].code in LACKING]
        if len(open_) == len(numbers) and not done.intersection(numbers):
            readers = [s for bind, g in binds for s in suspects_above(g, backward, [bind])]
            line = _line(readers, numbers, explain)
            if line is not None and line.statement == statement:
                lines.append(line)
                done.update(numbers)
    for grade in grades:
        number = grade.hand.number
        is_open = number not in found or found[number].code is None
        if not grade.root or not grade.unjudged or number in done or not is_open:
            continue
        for suspect in suspects_above(grade, backward, unnamed_binds(grade)):
            if (line := _line([suspect], [number], explain)) is not None:
                same = [n for n in _readers(line.statement, grades, found) if n != number]
                lines.append(InFunction((number, *same), line.statement, line.explanation))
                done.update(lines[-1].numbers)
                break
    return lines


def _line(
    suspects: Sequence[Suspect], numbers: Sequence[int], explain: Explain
) -> InFunction | None:
    """Return the line of the first suspect, if one edit of it corrects what all of them make."""
    if len(suspects) < len(numbers):
        return None
    first, *others = suspects
    first.others = tuple(others)
    try:
        explanation = explain(first, True)
    except Exception:
        return None
    return None if explanation is None else InFunction(tuple(numbers), first.statement, explanation)


def _readers(
    statement: Statement, grades: Sequence[Grade], found: Mapping[int, Explanation]
) -> Iterator[int]:
    """Yield the other gradients without a cause that read what the statement makes."""
    for grade in grades:
        explanation = found.get(grade.hand.number)
        is_open = explanation is None or explanation.code is None
        if grade.root and is_open and any(b.statement == statement for b in unnamed_binds(grade)):
            yield grade.hand.number


def _common(grades: Sequence[Grade]) -> dict[Statement, list[tuple[Bind, Grade]]]:
    """Return the statements that set what several gradients read, all of which are wrong."""
    if len(grades[0].hand.forward.trace) > FAR or sum(g.root for g in grades) < 2:
        return {}
    found: dict[Statement, list[tuple[Bind, Grade]]] = {}
    for grade in grades:
        for bind in _read(grade):
            found.setdefault(bind.statement, []).append((bind, grade))
    return {
        statement: binds
        for statement, binds in found.items()
        if len(binds) > 1 and all(grade.root and grade.fit is None for _, grade in binds)
    }


def _read(grade: Grade) -> list[Bind]:
    """Return the last assignments of the names that the gradient's last statement reads."""
    final = grade.hand.own_final()
    words = set(re.findall(r"[^\W\d]\w*", final.statement.text.partition("=")[2]))
    words |= set(re.findall(r"[^\W\d]\w*", final.statement.text.partition("return")[2]))
    found: dict[str, Bind] = {}
    events = grade.hand.forward.trace.events
    for event in reversed(events[grade.hand.forward.end + 1 : final.index]):
        if type(event) is not Bind or event.statement == final.statement:
            continue
        if event.name in words and event.call is final.call:
            found.setdefault(event.name, event)
    return [b for b in found.values() if b.scope is not None and b.scope.names and b.value.dim()]
