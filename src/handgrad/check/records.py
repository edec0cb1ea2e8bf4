"""The records that travel between the stages of a check; the JSON of `handgrad check` is these."""

from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["exact", "rounding", "shape", "wrong", "missing"]
Blame = Literal["root", "inherited"]
VERDICTS: tuple[Verdict, ...] = ("exact", "rounding", "shape", "wrong", "missing")


@dataclass(frozen=True)
class Place:
    """Where a statement stands: `line` counts from 1 within the cell, or the file where `cell` is None."""

    line: int
    cell: int | None = None


@dataclass(frozen=True)
class Row:
    """One gradient, judged. `node` is the forward tensor, `hand` the name of the user's gradient."""

    node: str
    hand: str | None
    verdict: Verdict
    place: Place | None = None
    statement: str | None = None
    blame: Blame | None = None
    blamed_on: tuple[str, ...] = ()
    """For an inherited error, the hand gradients of the roots that it comes from."""
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
    """What a check found. `ok` is False when a gradient is wrong or of the wrong shape; one not written yet is no mistake."""

    file: str
    rows: tuple[Row, ...]
    notes: tuple[Note, ...] = ()
    errors: tuple[CellError, ...] = ()
    version: int = field(default=1, init=False)

    @property
    def ok(self) -> bool:
        return not any(row.verdict in ("wrong", "shape") for row in self.rows)
