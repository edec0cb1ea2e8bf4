"""What a check of a function found."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from handgrad.checker.records import Hint


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong, at the plainest sample that fails so."""

    quantities: tuple[str, ...]
    """`output`, `gradient of x`, `second gradient of x`, `backward`."""
    sample: str
    arrays: tuple[str, ...]
    """The inputs of that sample: `x f32[3,65]`."""
    error: str
    """How far off, and where it sits."""
    failed: str
    """How many samples fail so, and what they have in common."""
    ratio: float | None = None
    """R = |result - truth| / what rounding explains; None where it is not finite."""
    code: str | None = None
    name: str | None = None
    message: str | None = None
    fix: str | None = None
    again: str | None = None
    """What to type to run that sample alone."""


@dataclass(frozen=True)
class FunctionReport:
    """What `handgrad.check_function` found. `ok` where nothing failed."""

    function: str
    failures: tuple[Failure, ...]
    samples: int
    """How many samples were judged."""
    dtypes: tuple[str, ...]
    """Those that work."""
    notes: tuple[str, ...] = ()
    """Dtypes, sizes and layouts that the function refuses, and the like."""
    version: int = field(default=1, init=False)

    @property
    def ok(self) -> bool:
        return not self.failures

    def hinted(self, level: Hint) -> "FunctionReport":
        """Return it as somebody sees it who asked for no more than `level`.

        "where": what fails, and in which sample; "what": and the cause; "fix": and what mends it.
        """
        if level == "fix":
            return self
        hidden = (
            {"fix": None} if level == "what" else dict.fromkeys(("fix", "message", "code", "name"))
        )
        return replace(self, failures=tuple(replace(f, **hidden) for f in self.failures))

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and lists; keys are added under a version, never changed."""
        return {
            "version": self.version,
            "function": self.function,
            "ok": self.ok,
            "samples": self.samples,
            "dtypes": list(self.dtypes),
            "failures": [
                {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(f).items()}
                for f in self.failures
            ],
            "notes": list(self.notes),
        }

    def to_text(self, width: int = 100) -> str:
        """Plain text, `width` columns wide."""
        from handgrad.checker.functions.words import to_text

        return to_text(self, width)

    def __str__(self) -> str:
        return self.to_text()
