"""Lines that overwrite what several gradients read: the line that writes is to blame, once."""

from collections.abc import Mapping, Sequence

from handgrad.checker.explain.called import InFunction
from handgrad.checker.explain.causes import overwritten
from handgrad.checker.explain.search.finding import Explanation
from handgrad.checker.judge.grade import Grade
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Bind
from handgrad.checker.records import Place


def writers(
    forward: Pass, roots: Sequence[Grade], found: Mapping[int, Explanation]
) -> list[InFunction]:
    """Return the lines whose correction is the explanation of gradients above or below them."""
    numbers: dict[Place, list[int]] = {}
    for grade in roots:
        explanation = found.get(grade.hand.number)
        if explanation is None or explanation.code != overwritten.CODE or not grade.root:
            continue
        finding = explanation.finding
        if finding.at is not None and finding.fix is not None:
            numbers.setdefault(finding.at, []).append(grade.hand.number)
    statements = {b.statement.place: b.statement for b in forward.trace.of(Bind)}
    return [
        InFunction(tuple(several), statements[place], found[several[0]])
        for place, several in numbers.items()
        if place in statements
    ]
