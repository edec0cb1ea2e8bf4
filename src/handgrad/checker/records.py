"""The records that travel between the stages of a check, as plain data; report/ renders them."""

from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["exact", "rounding", "shape", "wrong", "missing"]
Blame = Literal["root", "inherited"]
Hint = Literal["where", "what", "fix"]
HINTS: tuple[Hint, ...] = ("where", "what", "fix")
VERDICTS: tuple[Verdict, ...] = ("exact", "rounding", "shape", "wrong", "missing")


@dataclass(frozen=True)
class Place:
    """Where a statement stands: `line` counts from 1 in the cell, or the file if `cell` is None."""

    line: int
    cell: int | None = None


@dataclass(frozen=True)
class Spread:
    """Where a wrong gradient is off: |by hand - truth| as a small picture, and in words.

    `levels` has a string a row, a character a cell: 0 right; 1 (a hundredth of the largest, or
    less) to 5 (a third of it, or more) in half decades; x not finite. Dimensions before the last
    two are folded together and long ones thinned; the worst in each cell counts.
    """

    levels: tuple[str, ...]
    caption: str


@dataclass(frozen=True)
class Listing:
    """The source of one cell, or of the file where `cell` is None, as its lines are counted."""

    cell: int | None
    text: str


@dataclass(frozen=True)
class Row:
    """One gradient, judged. `node` is the forward tensor, `hand` the user's gradient for it."""

    node: str
    hand: str | None
    verdict: Verdict
    place: Place | None = None
    statement: str | None = None
    blame: Blame | None = None
    blamed_on: tuple[str, ...] = ()
    """For an inherited error, the hand gradients of the roots that it comes from."""
    places: tuple[Place, ...] = ()
    """For a root, every line to blame: a gradient built in two statements may be off in both."""
    shape: tuple[int, ...] | None = None
    expected_shape: tuple[int, ...] | None = None
    dtype: str | None = None
    max_abs_diff: float | None = None
    ratio: float | None = None
    """R = |by hand - truth| / the larger of |autograd - truth| and the rounding noise there."""
    cause: str | None = None
    message: str | None = None
    fix: str | None = None
    """The corrected line, which was run before it is offered."""
    fix_at: Place | None = None
    """Where the corrected line belongs, if it is not for the line that is shown."""
    fix_adds: bool = False
    """Whether it is to be added below that line, rather than to replace it."""
    checked: Literal["exact", "rounding"] | None = None
    """What the corrected line gave when it was run on right gradients upstream."""
    spread: Spread | None = None
    """Of a wrong gradient: where it is off. Of a root, given right gradients upstream."""


@dataclass(frozen=True)
class Note:
    """Something worth saying that is not a wrong gradient: an alias, a node rebuilt, ..."""

    code: str
    message: str
    node: str | None = None
    place: Place | None = None


@dataclass(frozen=True)
class CellError:
    """A statement of the user's that raised; the rest went on."""

    cell: int | None
    line: int | None
    error: str


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
    """The forward pass as a graph: each named tensor with one that is computed from it."""
    listings: tuple[Listing, ...] = ()
    """The sources that the gradients by hand stand in."""
    version: int = field(default=1, init=False)

    @property
    def ok(self) -> bool:
        return not any(row.verdict in ("wrong", "shape") for row in self.rows)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each verdict."""
        return {verdict: sum(row.verdict == verdict for row in self.rows) for verdict in VERDICTS}
