"""The result of `derive`: the lines, and a verdict on each of their gradients."""

from dataclasses import asdict, dataclass, field
from textwrap import indent
from typing import Any

from handgrad.checker.records import CellError, VerdictName
from handgrad.files import finite_or_none


@dataclass(frozen=True)
class Gradient:
    """One gradient of the derived pass. `verdict` is None if it could not be derived or run."""

    node: str
    name: str
    verdict: VerdictName | None
    shape: tuple[int, ...]
    ratio: float | None = None
    max_abs_diff: float | None = None

    @property
    def right(self) -> bool:
        """Whether the gradient is exact or within rounding."""
        return self.verdict in ("exact", "rounding")

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict or 'not derived'}"


@dataclass(frozen=True)
class MissingStep:
    """A statement that could not be undone, or a derived line that raised: where, and why."""

    statement: str
    line: int | None
    cell: int | str | None
    why: str

    def __str__(self) -> str:
        return f"{' '.join(self.statement.split())}: {self.why}"


@dataclass(frozen=True)
class Derivation:
    """A derived backward pass. `lines` are ready to paste below the line of the loss.

    `str()` gives the lines, or for a derived function its whole backward function.
    """

    file: str
    loss: str
    lines: tuple[str, ...]
    gradients: tuple[Gradient, ...]
    missing: tuple[MissingStep, ...] = ()
    errors: tuple[CellError, ...] = ()
    head: str | None = None
    """The def line of a derived function; else None."""
    version: int = field(default=1, init=False)

    @property
    def ok(self) -> bool:
        """Whether every gradient was derived, run, and is right."""
        return not self.missing and all(g.right for g in self.gradients)

    def summary(self) -> str:
        """Return the counts of verdicts in one line."""
        right = sum(g.right for g in self.gradients)
        exact = sum(g.verdict == "exact" for g in self.gradients)
        count = len(self.gradients)
        if not count:
            return "No gradient could be derived."
        parts = [f"{exact} exact"] if exact else []
        parts += [f"{right - exact} correct up to rounding"] if right > exact else []
        missing = sum(g.verdict is None for g in self.gradients)
        parts += [f"{count - right - missing} wrong"] if count > right + missing else []
        parts += [f"{missing} not derived"] if missing else []
        return f"{right} of {count} gradients: {', '.join(parts)}."

    def to_json(self) -> dict[str, Any]:
        """Return what `handgrad derive --json` writes (docs/derive.md)."""
        return {
            "version": self.version,
            "file": self.file,
            "ok": self.ok,
            "loss": self.loss,
            "source": str(self),
            "gradients": [
                {
                    "node": g.node,
                    "name": g.name,
                    "verdict": g.verdict,
                    "shape": list(g.shape),
                    "max_abs_diff": finite_or_none(g.max_abs_diff),
                    "ratio": finite_or_none(g.ratio),
                }
                for g in self.gradients
            ],
            "missing": [asdict(step) for step in self.missing],
            "errors": [{"cell": e.cell, "line": e.line, "error": e.error} for e in self.errors],
        }

    def __str__(self) -> str:
        body = "\n".join(self.lines) + "\n"
        return body if self.head is None else f"{self.head}\n{indent(body, '    ')}"
