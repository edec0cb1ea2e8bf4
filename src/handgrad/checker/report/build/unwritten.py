"""An exercise that nobody has begun: blanks, and no gradient yet."""

import re
from collections.abc import Iterable, Sequence

from handgrad.checker.pairs.hands import hand_names
from handgrad.checker.passes.find import Pass
from handgrad.checker.report.build.rows import missing_rows
from handgrad.checker.records import Row

BLANK = re.compile(r"^(\w+) *= *(?:\.\.\.|None) *(?:#.*)?$", re.MULTILINE)
"""`dh = ...`, or `dh = None`, at the top level: a gradient that is to be written here."""


def unwritten(passes: Sequence[Pass], sources: Iterable[str]) -> list[Row]:
    """Return a row for each gradient that has a blank and nothing else."""
    blanks = {name for source in sources for name in BLANK.findall(source)}
    rows: list[Row] = []
    for forward in passes if blanks else ():
        paired = hand_names(blanks | {b.name for b in forward.nodes()})
        nodes = {node for hand, node in paired.items() if hand in blanks}
        try:
            forward.differentiate()
        except RuntimeError:  # it cannot be graded, and a note has said so
            continue
        rows += [row for row in missing_rows(forward, [], {}) if row.node in nodes]
    return rows
