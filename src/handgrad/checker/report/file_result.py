"""The result for one file of many, and the statuses that a file can have."""

from dataclasses import dataclass, replace
from typing import Literal

from handgrad.checker.records import Hint
from handgrad.checker.report.report import Report

FileStatus = Literal[
    "ok", "unfinished", "suspect", "wrong", "raised", "timeout", "crashed", "refused", "unchecked"
]
STATUSES: dict[FileStatus, str] = {
    "ok": "all correct",
    "unfinished": "correct so far",
    "suspect": "to look at",
    "wrong": "with wrong gradients",
    "raised": "with errors",
    "timeout": "out of time",
    "crashed": "crashed",
    "refused": "not gradable",
    "unchecked": "not checked",
}
"""Each status of a file, and how the summary counts files that have it."""


@dataclass(frozen=True)
class FileResult:
    """The result for one file of many.

    `report` is None if nothing was graded; `message` then says why, in one line without the file's
    name. `number` is the file's place among those given, from 0. `seconds` is how long it took.
    """

    number: int
    file: str
    status: FileStatus
    seconds: float = 0.0
    report: Report | None = None
    message: str | None = None
    output: str = ""

    def hinted(self, level: Hint) -> "FileResult":
        """Return the result with no more detail than `level`, as Report.hinted does."""
        report = None if self.report is None else self.report.hinted(level)
        return replace(self, report=report)
