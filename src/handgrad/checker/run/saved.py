"""Differences between a notebook's saved output and a clean run from top to bottom.

Only two things are compared: verdicts (True and False, as comparisons print them) and errors.
Plots, samples and timings differ from run to run in correct notebooks, too.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from handgrad.checker.records import CellError, Note, Place
from handgrad.checker.run.cells import Cell
from handgrad.checker.run.output import KEPT_OF_CELL
from handgrad.text import listed, one_line

RAISED = (
    "this cell raises an error in a clean run, but its saved output shows none: the cells were "
    "run in another order, or on another machine."
)
VERDICT = re.compile(r"\b(?:True|False)\b")
NUMBER = re.compile(r"\d*\.\d+(?:e[+-]?\d+)?|\d+\.?e[+-]?\d+")
ROUNDING = 1e-6
"""A difference that a line prints with its verdict is rounding below this."""


def difference(cell: Cell, printed: str, error: CellError | None) -> Note | None:
    """Return a note if `cell` printed another verdict than was saved, or raised a new error.

    Of several verdicts, the one with the largest number on its line counts: another machine rounds
    differently.
    """
    if error is not None:
        if cell.saved and cell.saved_error is None:
            return Note("HG283", RAISED, place=Place(error.line or 1, cell.number))
        return None
    if max(len(printed), len(cell.saved)) >= KEPT_OF_CELL:
        return None  # the end of one of them is unknown
    before, now = _verdicts(cell.saved), _verdicts(printed)
    if len(before) != len(now):
        return None
    changed = [
        (max(_size(old), _size(new)), old, new)
        for (words_before, old), (words, new) in zip(before, now, strict=True)
        if words_before != words
    ]
    size, saved, line = max(changed, key=lambda change: change[0], default=(0.0, "", ""))
    if size < ROUNDING:
        return None
    message = f'a clean run prints "{line}"; the saved output is "{saved}".'
    return Note("HG282", message, place=Place(1, cell.number))


def _size(line: str) -> float:
    """Return the largest number with a fraction in a line; 1 where it has none."""
    return max((float(number) for number in NUMBER.findall(line)), default=1.0)


def _verdicts(text: str) -> list[tuple[list[str], str]]:
    """Return the lines that contain True or False, each after a list of these words in it."""
    lines = [(VERDICT.findall(line), one_line(line, 100)) for line in text.split("\n")]
    return [(verdicts, line) for verdicts, line in lines if verdicts]


def folded(notes: Sequence[Note]) -> list[Note]:
    """Return the first note of each kind, which names the other cells that it also holds for."""
    first: dict[str, Note] = {}
    others: dict[str, list[int | str | None]] = {}
    for note in notes:
        if first.setdefault(note.code, note) is not note and note.place is not None:
            others.setdefault(note.code, []).append(note.place.cell)
    return [_with_others(note, others.get(code, [])) for code, note in first.items()]


def _with_others(note: Note, cells: list[int | str | None]) -> Note:
    if not cells:
        return note
    also = f" The same holds for cell{'s' if len(cells) > 1 else ''} {listed(cells)}."
    return replace(note, message=note.message + also)
