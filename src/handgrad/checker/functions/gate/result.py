"""What the gate says of a candidate: plain data, its JSON, its text."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from handgrad.checker.functions.gate.conditioning import IllConditioned
from handgrad.checker.functions.gate.tricks import Trick
from handgrad.checker.functions.report.report import FunctionReport
from handgrad.checker.functions.report.text import body_of, summary_of, wrapped
from handgrad.text import listed

Verdict = Literal["right", "wrong", "undecided"]


@dataclass(frozen=True)
class Coverage:
    """What was run."""

    samples: int = 0
    random_samples: int = 0
    """Those of the samples that were drawn from the seed."""
    refused: int = 0
    dtypes: tuple[str, ...] = ()
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    layouts: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    gradients: tuple[str, ...] = ()
    calls: int = 0
    processes: int = 0


@dataclass(frozen=True)
class GateResult:
    """The verdict on a candidate. `exit_code`: 0 right, 1 wrong, 2 undecided."""

    candidate: str
    reference: str
    seed: int
    report: FunctionReport
    tricks: tuple[Trick, ...] = ()
    allowed: tuple[str, ...] = ()
    """Kinds of tricks that do not count."""
    ill_conditioned: tuple[IllConditioned, ...] = ()
    undecided: tuple[str, ...] = ()
    """Results that cannot be judged in any dtype."""
    covered: Coverage = field(default_factory=Coverage)
    printed: str = ""
    """The end of what the candidate printed, if its process was lost."""
    seconds: float = 0.0
    version: int = field(default=1, init=False)

    @property
    def verdict(self) -> Verdict:
        """`wrong` if a number is, or if a trick was seen that is not allowed."""
        if self.report.failures or any(t.kind not in self.allowed for t in self.tricks):
            return "wrong"
        return "undecided" if self.undecided else "right"

    @property
    def exit_code(self) -> int:
        """The exit code of `handgrad check-function`."""
        return {"right": 0, "wrong": 1, "undecided": 2}[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts and lists. A version may gain keys; existing keys never change."""
        return {
            "version": self.version,
            "function": self.candidate,
            "reference": self.reference,
            "verdict": self.verdict,
            "ok": self.verdict == "right",
            "seed": self.seed,
            "failures": self.report.to_json()["failures"],
            "tricks": [{**t._asdict(), "allowed": t.kind in self.allowed} for t in self.tricks],
            "ill_conditioned": [one._asdict() for one in self.ill_conditioned],
            "covered": _plain(asdict(self.covered)),
            "notes": list(self.report.notes),
            "text": self.to_text(),
            "seconds": round(self.seconds, 2),
        }

    def to_text(self, width: int = 100) -> str:
        """Return text that tells whoever wrote the candidate what to change."""
        lines: list[str] = []
        for trick in self.tricks:
            mark = "-" if trick.kind in self.allowed else "✗"
            lines += [f"{mark} {trick.kind}", *wrapped(trick.message, width)]
            if mark == "✗":
                lines += wrapped(f"try: {trick.fix}", width)
            lines.append("")
        lines += body_of(self.report, width)
        for note in self._conditions():
            lines += [*wrapped(note, width, "- ", 0), ""]
        if self.printed:
            last = self.printed.rstrip().splitlines()[-5:]
            lines += ["It printed:", *(f"    {line[:width]}" for line in last), ""]
        return "\n".join([*lines, *self._summary(width)])

    def _conditions(self) -> list[str]:
        by_dtype: dict[str, list[str]] = {}
        for dtype, quantity in self.ill_conditioned:
            by_dtype.setdefault(dtype, []).append(quantity)
        return [
            f"The problem is ill-conditioned in {dtype}: rounding alone changes the "
            f"{listed(names)} by as much as {'it is' if len(names) == 1 else 'they are'} large. "
            f"Neither the reference nor the candidate can be judged there."
            for dtype, names in by_dtype.items()
        ]

    def _summary(self, width: int) -> list[str]:
        text = summary_of(self.report)
        if self.verdict == "undecided":
            text = (
                f"{self.report.function}: undecided; the {listed(self.undecided)} cannot be judged "
                f"in any dtype. Give inputs for which the problem is better conditioned."
            )
        elif self.report.ok and self.verdict == "wrong":
            count = sum(t.kind not in self.allowed for t in self.tricks)
            name, _, rest = text.partition(": correct")
            text = f"{name}: not accepted ({count} of the above), with correct numbers{rest}"
        return wrapped(text, width, indent=0)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value
