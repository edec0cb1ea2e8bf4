"""Whether the report on a planted fault says why, and offers a line that is right."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from benchmarks.proving.generate import Fault
from benchmarks.proving.grade import check_program
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
"""Kind -> the causes that say what is the matter with a fault of it.

Several where one slip has two right names. Of two terms one left out: in n - 1 it is a factor, in
1 - h**2 the local derivative. The minus of an exponent is the power rule's; a power forgotten
leaves another derivative; a neighbour may be the forward value of the gradient that is meant; the
local derivative of a mean is the factor 1 / n.
"""


@dataclass(frozen=True)
class Explained:
    """How many faults there are, of how many the cause is right, and a right line is offered."""

    faults: int
    right: int
    offered: int


def row_of(report: Report, fault: Fault) -> Row | None:
    """Return the row of the gradient that the fault is in."""
    return next((row for row in report.rows if row.hand == fault.root.hand), None)


def is_right(fault: Fault, row: Row | None) -> bool:
    """Tell whether the cause is one that the fault's kind may have."""
    return row is not None and row.cause in EXPECTED[fault.kind]


def is_offered(row: Row | None) -> bool:
    """Tell whether a line is offered; none is that has not been run and found right."""
    return row is not None and row.fix is not None and row.checked is not None


def explained(faults: Iterable[Fault], dtype: torch.dtype = torch.float32) -> dict[str, Explained]:
    """Return, kind by kind, how many of the faults are explained."""
    found = [(f, row_of(check_program(f.source, f.sizes, dtype), f)) for f in faults]
    return counted(found)


def counted(found: Sequence[tuple[Fault, Row | None]]) -> dict[str, Explained]:
    """Return the counts by kind of rows that are there already."""
    faults = Counter(fault.kind for fault, _ in found)
    right = Counter(fault.kind for fault, row in found if is_right(fault, row))
    offered = Counter(fault.kind for fault, row in found if is_offered(row))
    return {kind: Explained(n, right[kind], offered[kind]) for kind, n in faults.items()}
