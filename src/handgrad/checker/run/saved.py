"""What a notebook's saved output says that a clean run from top to bottom does not.

Only two things are held against it, since figures, samples and timings differ from run to run in
notebooks that are right: verdicts (True and False, as comparisons print them), and errors.
"""

import re
from collections.abc import Sequence

from handgrad.checker.records import CellError, Note, Place
from handgrad.checker.run.output import SAID
from handgrad.checker.run.source import Cell
from handgrad.text import one_line

RAISED = "raised now and not when it was saved: cells ran in another order then, or elsewhere."
VERDICT = re.compile(r"\b(?:True|False)\b")


def difference(cell: Cell, said: str, error: CellError | None) -> Note | None:
    """What `cell` has given now, `said` and `error`, that was not saved with it."""
    if error is not None:
        if cell.saved and cell.saved_error is None:
            return Note("HG283", RAISED, place=Place(error.line or 1, cell.number))
        return None
    if max(len(said), len(cell.saved)) >= SAID:
        return None  # the end of one of them is not known
    before, now = _verdicts(cell.saved), _verdicts(said)
    if len(before) != len(now):
        return None
    for (saved_words, saved_line), (words, line) in zip(before, now, strict=True):
        if saved_words != words:
            message = f'a clean run prints "{line}" where the saved output has "{saved_line}".'
            return Note("HG282", message, place=Place(1, cell.number))
    return None


def _verdicts(text: str) -> list[tuple[list[str], str]]:
    """The lines that hold True or False: these words, and the line."""
    lines = [(VERDICT.findall(line), one_line(line, 100)) for line in text.split("\n")]
    return [(verdicts, line) for verdicts, line in lines if verdicts]


def folded(notes: Sequence[Note]) -> list[Note]:
    """One note of each kind: the first, and the other cells that it holds for."""
    first: dict[str, Note] = {}
    others: dict[str, list[str]] = {}
    for note in notes:
        if first.setdefault(note.code, note) is not note and note.place is not None:
            others.setdefault(note.code, []).append(str(note.place.cell))
    return [_with_others(note, others.get(code, [])) for code, note in first.items()]


def _with_others(note: Note, cells: list[str]) -> Note:
    if not cells:
        return note
    also = f" So with cell{'s' if len(cells) > 1 else ''} {', '.join(cells)}."
    return Note(note.code, note.message + also, place=note.place)
