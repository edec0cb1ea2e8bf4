"""What a notebook's saved output says that a clean run from top to bottom does not.

Only two things are held against it, since figures, samples and timings differ from run to run in
notebooks that are right: verdicts (True and False, as comparisons print them), and errors.
"""

import re

from handgrad.check.output import SAID
from handgrad.check.records import CellError, Note, Place
from handgrad.check.source import Cell, one_line

RAISES = "this raised now and had not when it was saved: cells ran in another order, or elsewhere"
VERDICT = re.compile(r"\b(?:True|False)\b")


def differences(cell: Cell, said: str, error: CellError | None) -> list[Note]:
    """Notes on what `cell` has given now, `said` and `error`, against what was saved with it."""
    if error is not None:
        if cell.saved and cell.saved_error is None:
            return [Note("HG283", RAISES, place=Place(error.line or 1, cell.number))]
        return []
    if max(len(said), len(cell.saved)) >= SAID:
        return []  # the end of one of them is not known
    before, now = _verdicts(cell.saved), _verdicts(said)
    if len(before) != len(now):
        return []
    for (saved_words, saved_line), (words, line) in zip(before, now, strict=True):
        if saved_words != words:
            message = f'a clean run prints "{line}" where the saved output has "{saved_line}"'
            return [Note("HG282", message, place=Place(1, cell.number))]
    return []


def _verdicts(text: str) -> list[tuple[list[str], str]]:
    """The lines that hold True or False: these words, and the line."""
    lines = [(VERDICT.findall(line), one_line(line, 100)) for line in text.split("\n")]
    return [(verdicts, line) for verdicts, line in lines if verdicts]
