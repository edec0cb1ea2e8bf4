"""Other statements of a gradient than the one to blame, where one correct line makes it right.

`dW[:, j] = x` in a loop spoils what `dW /= n` below changes once more. Which of the statements is
wrong does not show in the values, but one edit of the first corrects the whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from handgrad.checker.explain.called import Explain, InFunction
from handgrad.checker.explain.search.finding import Explanation
from handgrad.checker.explain.search.gather import suspects
from handgrad.checker.explain.search.scene import BackwardContext
from handgrad.checker.judge.grade import Grade
from handgrad.checker.judge.statements import grouped

SMALL = ("HG102", "HG103", "HG104", "HG106", "HG107", "HG113", "HG117", "HG124", "HG135")
"""The causes of a slip in a few words. A line that lacks something could make up for another's."""
MOST = 6
"""A gradient with more statements is left as it is: each costs a search."""


def other_statements(
    grades: Sequence[Grade],
    found: Mapping[int, Explanation],
    backward: BackwardContext,
    explain: Explain,
) -> list[InFunction]:
    """Return the statements to blame instead, each with its corrected line."""
    lines = []
    for grade in grades:
        number = grade.hand.number
        if grade.root and (number not in found or found[number].finding.fix is None):
            lines += list(_of(grade, backward, explain))[:1]
    return lines


def _of(grade: Grade, backward: BackwardContext, explain: Explain) -> Iterator[InFunction]:
    statements = [statement for statement, _ in grouped(grade.hand)]
    if not 1 < len(statements) <= MOST or grade.alias is not None:
        return
    for statement in statements:
        if statement in grade.blamed.statements:
            continue
        moved = replace(grade, blamed=replace(grade.blamed, statements=(statement,)))
        for suspect in suspects(moved, backward):
            explanation = explain(suspect, True) if suspect.views else None
            if explanation is not None and explanation.code in SMALL:
                yield InFunction((grade.hand.number,), statement, explanation)
