"""The records that travel between the stages of a check; the JSON of `handgrad check` is these."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

VerdictName = Literal["exact", "rounding", "shape", "wrong", "missing"]
BlameName = Literal["root", "inherited"]
Hint = Literal["where", "what", "fix"]
HINTS: tuple[Hint, ...] = ("where", "what", "fix")
VERDICTS: tuple[VerdictName, ...] = ("exact", "rounding", "shape", "wrong", "missing")


MENDS = "HG210"
"""The note of a right value in the wrong shape: it says what mends it."""


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
    verdict: VerdictName
    place: Place | None = None
    statement: str | None = None
    blame: BlameName | None = None
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
class Report:
    """What a check found.

    `ok` is False when a gradient is wrong or of the wrong shape; one not written yet is no mistake.
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

    def hinted(self, level: Hint) -> "Report":
        """Return the report as somebody sees it who asked for no more than `level`.

        "where": the lines to blame; "what": and what is the matter; "fix": and what to type.
        """
        rows = tuple(_hinted(row, level) for row in self.rows)
        mends = level == "where"
        notes = tuple(note for note in self.notes if not (mends and note.code == MENDS))
        return replace(self, rows=rows, notes=notes)

    def to_json(self) -> dict[str, Any]:
        """What `handgrad check --json` writes, as plain dicts and lists (docs/check.md)."""
        from handgrad.checker.report.jsonform import to_json

        return to_json(self)

    def to_text(self, width: int = 100) -> str:
        """Plain text, `width` columns wide."""
        from handgrad.checker.report.text import to_text

        return to_text(self, width)

    def to_html(self, page: bool = False) -> str:
        """One HTML fragment that needs nothing beside it, or a whole page of it."""
        from handgrad.checker.report.html import to_html

        return to_html(self, page)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        """What Jupyter shows."""
        return self.to_html()


def _hinted(row: Row, level: Hint) -> Row:
    if level == "fix":
        return row
    row = replace(row, fix=None, fix_at=None, fix_adds=False, checked=None)
    tells = row.blame == "root" or row.verdict == "shape"
    return replace(row, cause=None, message=None) if level == "where" and tells else row
