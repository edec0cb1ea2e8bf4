"""The records that travel between the stages of a check; the JSON of `handgrad check` is these."""

from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["exact", "rounding", "shape", "wrong", "missing"]
Blame = Literal["root", "inherited"]
VERDICTS: tuple[Verdict, ...] = ("exact", "rounding", "shape", "wrong", "missing")


@dataclass(frozen=True)
class Place:
    """Where a statement stands: `line` counts from 1 in the cell, or the file if `cell` is None."""

    line: int
    cell: int | None = None


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
    version: int = field(default=1, init=False)

    @property
    def ok(self) -> bool:
        return not any(row.verdict in ("wrong", "shape") for row in self.rows)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each verdict."""
        return {verdict: sum(row.verdict == verdict for row in self.rows) for verdict in VERDICTS}

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
