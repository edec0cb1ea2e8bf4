"""The records that travel between the stages of a check, as plain data; report/ renders them."""

from dataclasses import dataclass, field
from typing import Literal

from handgrad.text import printable

VerdictName = Literal["exact", "rounding", "shape", "wrong", "missing"]
BlameName = Literal["root", "inherited"]
Hint = Literal["where", "what", "fix"]
HINTS: tuple[Hint, ...] = ("where", "what", "fix")
VERDICTS: tuple[VerdictName, ...] = ("exact", "rounding", "shape", "wrong", "missing")


def part(cell: int | str | None) -> str:
    """Return the words before a line: of which cell it is, or of which imported file."""
    if cell is None:
        return ""
    return f"{printable(cell)}, " if isinstance(cell, str) else f"cell {cell}, "


@dataclass(frozen=True)
class Place:
    """The place of a statement: `line` counts from 1 in the cell, or the file if `cell` is None.

    For a module that the file imports, `cell` is its file's name.
    """

    line: int
    cell: int | str | None = None

    def __str__(self) -> str:
        """Return `cell 4, line 7`, `layers.py, line 7` or, for a script, `line 7`."""
        return f"{part(self.cell)}line {self.line}"


@dataclass(frozen=True)
class Spread:
    """Where a gradient is wrong: |by hand - truth| as a small picture, and in words.

    `levels` has one string per row and one character per cell: 0 correct; 1 (a hundredth of the
    largest error, or less) to 5 (a third of it, or more) in half decades; x not finite. Dimensions
    before the last two are merged and long ones reduced; each cell shows its worst element.
    """

    levels: tuple[str, ...]
    caption: str


@dataclass(frozen=True)
class Listing:
    """The source of one cell or, by its name, of an imported file; of the file if it is None."""

    cell: int | str | None
    text: str


@dataclass(frozen=True)
class Row:
    """One judged gradient. `node` is the forward tensor, `hand` the user's gradient of it."""

    node: str
    hand: str | None
    verdict: VerdictName
    place: Place | None = None
    statement: str | None = None
    blame: BlameName | None = None
    blamed_on: tuple[str, ...] = ()
    """For an inherited error, the gradients by hand that it comes from."""
    places: tuple[Place, ...] = ()
    """For a root, every line to blame: two statements of one gradient may both be wrong."""
    shape: tuple[int, ...] | None = None
    expected_shape: tuple[int, ...] | None = None
    dtype: str | None = None
    max_abs_diff: float | None = None
    ratio: float | None = None
    """R: the largest of |by hand - truth| / max(|autograd - truth|, rounding noise)."""
    cause: str | None = None
    message: str | None = None
    fix: str | None = None
    """The corrected line. It has been run."""
    fix_at: Place | None = None
    """The place of the corrected line, if it replaces another line than the one shown."""
    fix_adds: bool = False
    """Whether the corrected line is to be added below that place, rather than replace a line."""
    checked: Literal["exact", "rounding"] | None = None
    """The verdict on the corrected line, run with correct upstream gradients."""
    spread: Spread | None = None
    """Where a wrong gradient is off; for a root, with correct upstream gradients."""
    unfinished: bool = False
    """Whether it is correct for the contributions that are written, and others may follow."""
    copied: bool = False
    """Whether autograd computed it: it stands under this name and is not by hand."""


@dataclass(frozen=True)
class Note:
    """Something worth knowing that is not a wrong gradient: an alias, a node computed again."""

    code: str
    message: str
    node: str | None = None
    place: Place | None = None


@dataclass(frozen=True)
class CellError:
    """A statement of the user's that raised; the other statements ran."""

    cell: int | None
    line: int | None
    error: str


@dataclass(frozen=True)
class Exercised:
    """How a file compares with its exercise: `present` of the `asked` gradients are written.

    `same_forward`: all that the exercise gives runs, in its order and unchanged.
    """

    asked: int
    present: int
    same_forward: bool


@dataclass(frozen=True)
class Seconded:
    """What a process that did not run the file says to its right gradients.

    Of `right`, `confirmed` are right there as well and `denied` are not; the others could not be
    judged again.
    """

    right: int
    confirmed: int
    denied: int


REPLACED = "HG285"
"""The note on a function of torch's, NumPy's or handgrad's that the file replaced."""


@dataclass(frozen=True)
class ReportData:
    """The result of a check, as plain data; `handgrad.Report` also renders it.

    `ok` is False if a gradient is wrong or has the wrong shape. A gradient that is not written yet
    does not count as a mistake.
    """

    file: str
    rows: tuple[Row, ...]
    notes: tuple[Note, ...] = ()
    errors: tuple[CellError, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    """The graph of the forward pass: each named tensor with one that is computed from it."""
    listings: tuple[Listing, ...] = ()
    """The sources of the gradients by hand."""
    exercise: Exercised | None = None
    """How the file compares with its exercise, where there is one."""
    seconded: Seconded | None = None
    """What a second process says, where one was asked."""
    version: int = field(default=1, init=False)

    @property
    def ok(self) -> bool:
        return not any(row.verdict in ("wrong", "shape") for row in self.rows)

    @property
    def copied(self) -> int:
        """How many gradients autograd computed that stand under names of gradients by hand."""
        return sum(row.copied for row in self.rows)

    @property
    def suspect(self) -> bool:
        """Whether some of what is graded may not be the author's own work."""
        differs = self.exercise is not None and not self.exercise.same_forward
        denied = self.seconded is not None and self.seconded.denied > 0
        return bool(self.copied) or differs or denied or any(n.code == REPLACED for n in self.notes)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each verdict."""
        return {verdict: sum(row.verdict == verdict for row in self.rows) for verdict in VERDICTS}
