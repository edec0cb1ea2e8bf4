"""Whether the report on a planted fault names the right cause and offers a correct line."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.proving.generate import Fault
from handgrad.checker.records import Row
from handgrad.checker.report.report import Report

EXPECTED: dict[str, frozenset[str]] = {
    "n for n - 1": frozenset({"HG118"}),
    "missing branch": frozenset({"HG101", "HG103", "HG109", "HG121", "HG124"}),
    "sign": frozenset({"HG102", "HG104"}),
    "factor 2": frozenset({"HG103", "HG104", "HG116"}),
    "forward value for gradient": frozenset({"HG106"}),
    "wrong operand": frozenset({"HG107", "HG106"}),
    "missing sum": frozenset({"HG110"}),
    "extra sum": frozenset({"HG111"}),
    "sum along the other axis": frozenset({"HG113"}),
    "keepdim missing": frozenset({"HG137"}),
    "mean for sum": frozenset({"HG117"}),
    "sum before multiply": frozenset({"HG112"}),
    "transposed or elementwise for matmul": frozenset({"HG114", "HG115"}),
    "exponent": frozenset({"HG104", "HG109", "HG116"}),
    "upstream missing": frozenset({"HG108"}),
    "local derivative missing": frozenset({"HG103", "HG105", "HG109"}),
    "alias written to": frozenset({"HG126"}),
    "0.1 % off": frozenset({"HG103"}),
}
"""Kind of fault -> the causes that describe it correctly.

A kind has several where one mistake has two correct names. If one of two terms is missing, that is
a constant factor in n - 1 but the local derivative in 1 - h**2. A wrong sign of an exponent belongs
to the power rule. A missing power gives another derivative. A neighbouring tensor may be the
forward value of the intended gradient. The local derivative of a mean is the factor 1 / n.
"""


@dataclass(frozen=True)
class Explained:
    """The number of faults, of those with the right cause, and of those with a correct line."""

    faults: int
    right: int
    offered: int


def row_of(report: Report, fault: Fault) -> Row | None:
    """Return the row of the gradient that the fault changes."""
    return next((row for row in report.rows if row.hand == fault.root.hand), None)


def is_right(fault: Fault, row: Row | None) -> bool:
    """Return whether the cause is one of those expected for the fault's kind."""
    return row is not None and row.cause in EXPECTED[fault.kind]


def is_offered(row: Row | None) -> bool:
    """Return whether a verified line is offered."""
    return row is not None and row.fix is not None and row.checked is not None


def counted(found: Sequence[tuple[Fault, Row | None]]) -> dict[str, Explained]:
    """Return the counts by kind, given each fault with the row of its gradient."""
    faults = Counter(fault.kind for fault, _ in found)
    right = Counter(fault.kind for fault, row in found if is_right(fault, row))
    offered = Counter(fault.kind for fault, row in found if is_offered(row))
    return {kind: Explained(n, right[kind], offered[kind]) for kind, n in faults.items()}
