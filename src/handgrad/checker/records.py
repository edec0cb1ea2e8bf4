"""The plain data of a report; the JSON of `handgrad check` consists of these records."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

VerdictName = Literal["exact", "rounding", "shape", "wrong", "missing"]
BlameName = Literal["root", "inherited"]
Hint = Literal["where", "what", "fix"]
HINTS: tuple[Hint, ...] = ("where", "what", "fix")
VERDICTS: tuple[VerdictName, ...] = ("exact", "rounding", "shape", "wrong", "missing")


MENDS = "HG210"
"""The note on a correct value in the wrong shape: it says what corrects it."""


@dataclass(frozen=True)
class Place:
    """The place of a statement: `line` counts from 1 in the cell, or the file if `cell` is None."""

    line: int
    cell: int | None = None


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
    """The source of one cell, or of the file where `cell` is None."""

    cell: int | None
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
class Report:
    """What a check found.

    `ok` is False when a gradient is wrong or has the wrong shape; a missing one is no mistake.
    """

    file: str
    rows: tuple[Row, ...]
    notes: tuple[Note, ...] = ()
    errors: tuple[CellError, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    """The graph of the forward pass: each named tensor with one that is computed from it."""
    listings: tuple[Listing, ...] = ()
    """The sources of the gradients by hand."""
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
