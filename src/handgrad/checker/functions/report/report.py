"""The report that `handgrad.check_function` returns."""

from dataclasses import asdict, replace
from typing import Any, Self

from handgrad.checker.functions.report.records import Failure, FunctionReportData
from handgrad.checker.functions.report.text import to_text
from handgrad.checker.records import Hint


class FunctionReport(FunctionReportData):
    """What `handgrad.check_function` found. `ok` if nothing failed; print it to read it."""

    def hinted(self, level: Hint) -> Self:
        """Return the report without the hints beyond `level`.

        "where": what fails, in which sample; "what": the cause too; "fix": the fix too.
        """
        if level == "fix":
            return self
        failures = tuple(_unfixed(failure) for failure in self.failures)
        if level == "where":
            failures = tuple(
                replace(f, message=None, code=None, name=None, lines=()) for f in failures
            )
        return replace(self, failures=failures)

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts and lists. A version may gain keys; existing keys never change."""
        return {
            "version": self.version,
            "function": self.function,
            "ok": self.ok,
            "samples": self.samples,
            "dtypes": list(self.dtypes),
            "sizes": {letter: list(sizes) for letter, sizes in self.sizes},
            "failures": [
                {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(f).items()}
                for f in self.failures
            ],
            "notes": list(self.notes),
        }

    def to_text(self, width: int = 100) -> str:
        """Return plain text, `width` columns wide."""
        return to_text(self, width)

    def __str__(self) -> str:
        return self.to_text()


def _unfixed(failure: Failure) -> Failure:
    lines = tuple(replace(line, fix=None) for line in failure.lines)
    return replace(failure, fix=None, lines=lines)
