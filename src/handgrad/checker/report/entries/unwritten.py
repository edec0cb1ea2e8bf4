"""An exercise that is not begun: blanks, and no gradient yet."""

import re
from collections.abc import Iterable, Sequence

from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.truth import differentiated
from handgrad.checker.record.gradient_names import hand_names
from handgrad.checker.records import Row
from handgrad.checker.report.entries.rows import missing_rows

BLANK = re.compile(r"^(\w+) *= *(?:\.\.\.|None) *(?:#.*)?$", re.MULTILINE)
"""`dh = ...`, or `dh = None`, at the top level: a gradient to be written here."""


def unwritten(passes: Sequence[ForwardPass], sources: Iterable[str]) -> list[Row]:
    """Return a row for each gradient that has a blank and no value."""
    blanks = {name for source in sources for name in BLANK.findall(source)}
    rows: list[Row] = []
    # an evaluation has no gradients: backward() was called on another loss
    called = [forward for forward in passes if forward.backward is not None]
    for forward in (called or passes) if blanks else ():
        paired = hand_names(blanks | {b.name for b in forward.nodes()})
        nodes = {node for hand, node in paired.items() if hand in blanks}
        if not nodes:
            continue
        try:
            missing = missing_rows(differentiated(forward), [], {})
        except RuntimeError:  # it cannot be judged, and a note says so
            continue
        rows += [row for row in missing if row.node in nodes]
    return rows
