"""What `derive` gives back: the lines, and a verdict on each gradient that they give."""

from dataclasses import dataclass, field
from typing import Any

from handgrad.checker.records import CellError, VerdictName


@dataclass(frozen=True)
class Gradient:
    """One gradient of the derived pass. `verdict` None: it could not be derived or run."""

    node: str
    name: str
    verdict: VerdictName | None
    shape: tuple[int, ...]
    ratio: float | None = None
    max_abs_diff: float | None = None

    @property
    def right(self) -> bool:
        return self.verdict in ("exact", "rounding")

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict or 'not derived'}"


@dataclass(frozen=True)
class Step:
    """A step that could not be derived: what it is, where, and why."""

    statement: str
    line: int | None
    cell: int | None
    why: str

    def __str__(self) -> str:
        return f"{' '.join(self.statement.split())}: {self.why}"


@dataclass(frozen=True)
class Derivation:
    """A derived backward pass. `lines` are ready to paste where the loss has just been computed.

    Its text is the lines; where a function was derived, a function of the gradient of its result.
    """

    file: str
    loss: str
    lines: tuple[str, ...]
    gradients: tuple[Gradient, ...]
    missing: tuple[Step, ...] = ()
    errors: tuple[CellError, ...] = ()
    head: str | None = None
    """For a function: the def line. None: the lines stand by themselves."""
    version: int = field(default=1, init=False)

    @property
    def ok(self) -> bool:
        """Whether every gradient was derived, run, and found right."""
        return not self.missing and all(g.right for g in self.gradients)

    def summary(self) -> str:
        """Return the one line of counts."""
        right = sum(g.right for g in self.gradients)
        exact = sum(g.verdict == "exact" for g in self.gradients)
        many = len(self.gradients)
        if not many:
            return "No gradient could be derived."
        parts = [f"{exact} exact"] if exact else []
        parts += [f"{right - exact} right but for rounding"] if right > exact else []
        parts += [f"{many - right} not derived"] if many > right else []
        return f"{right} of {many} gradients: {', '.join(parts)}."

    def to_json(self) -> dict[str, Any]:
        """What `handgrad derive --json` writes (docs/derive.md)."""
        from handgrad.files import finite_or_none

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
            "missing": [
                {"statement": s.statement, "line": s.line, "cell": s.cell, "why": s.why}
                for s in self.missing
            ],
            "errors": [{"cell": e.cell, "line": e.line, "error": e.error} for e in self.errors],
        }

    def __str__(self) -> str:
        if self.head is None:
            return "\n".join(self.lines) + "\n"
        return (
            "\n".join([self.head, *(f"    {line}" if line else "" for line in self.lines)]) + "\n"
        )
