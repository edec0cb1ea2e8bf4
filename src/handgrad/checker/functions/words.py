"""A report of a function as text: what failed first, its cause, what to type; then what ran."""

import math
import textwrap
from collections.abc import Iterator

from handgrad.checker.functions.records import Failure, FunctionReport
from handgrad.checker.functions.samples import DTYPES

INDENT = 4


def to_text(report: FunctionReport, width: int = 100) -> str:
    """The report, `width` columns wide."""
    lines: list[str] = []
    for failure in report.failures:
        lines += [*_failure(failure, width), ""]
    lines += _notes(report, width)
    lines.append(_summary(report))
    return "\n".join(lines)


def _failure(failure: Failure, width: int) -> Iterator[str]:
    yield f"✗ {', '.join(failure.quantities)}"
    yield from _wrapped(f"{'  '.join(failure.arrays)}", width)
    yield from _wrapped(_error(failure), width)
    if failure.message:
        yield from _wrapped(f"{failure.message} [{failure.code}]", width)
    if failure.fix:
        yield from _wrapped(f"try: {failure.fix}", width)
    yield from _wrapped(failure.failed, width)
    if failure.again:
        yield " " * INDENT + f"again: {failure.again}"


def _error(failure: Failure) -> str:
    said = failure.error[0].upper() + failure.error[1:]
    if failure.ratio is None or not math.isfinite(failure.ratio) or not said.startswith("Off"):
        return f"{said}."
    times = "over a million" if failure.ratio > 1e6 else f"{failure.ratio:,.0f}"
    return f"{said}; {times} times what rounding explains."


def _notes(report: FunctionReport, width: int) -> list[str]:
    lines = [line for note in report.notes for line in _wrapped(note, width, "- ", 0)]
    return [*lines, ""] if lines else []


def _summary(report: FunctionReport) -> str:
    ran = ", ".join(d for d in DTYPES if d in report.dtypes) or "no dtype"
    samples = f"{report.samples} sample{'s' * (report.samples != 1)} in {ran}"
    if report.ok:
        return f"{report.function}: right in {samples}."
    count = len(report.failures)
    return f"{report.function}: {count} thing{'s' * (count != 1)} wrong in {samples}."


def _wrapped(text: str, width: int, first: str = "", indent: int = INDENT) -> list[str]:
    space = " " * indent
    return textwrap.wrap(
        text,
        width,
        initial_indent=space + first,
        subsequent_indent=space + " " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
