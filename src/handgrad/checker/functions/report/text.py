"""A result as text: each failure with its cause and the command to rerun it, notes, a summary."""

import textwrap
from collections.abc import Iterator, Sequence

from handgrad.checker.functions.report.records import BlamedLine, Failure, FunctionReportData
from handgrad.checker.functions.samples.sample import DTYPES

INDENT = 4


def to_text(result: FunctionReportData, width: int = 100) -> str:
    """Return the result as text, `width` columns wide."""
    return "\n".join([*body_of(result, width), *wrapped(summary_of(result), width, indent=0)])


def body_of(result: FunctionReportData, width: int = 100) -> list[str]:
    """Return the lines of failures and notes."""
    lines: list[str] = []
    for failure in result.failures:
        lines += [*_failure(failure, width), ""]
    notes = [line for note in result.notes for line in wrapped(note, width, "- ", 0)]
    return [*lines, *notes, ""] if notes else lines


def _failure(failure: Failure, width: int) -> Iterator[str]:
    yield f"✗ {', '.join(failure.quantities)}"
    yield from wrapped("  ".join(failure.arrays), width)
    yield from wrapped(_error(failure), width)
    if failure.message:
        code = f" [{failure.code}]" if failure.code else ""
        yield from wrapped(failure.message + code, width)
    for line in failure.lines:
        yield from _line(line, failure, width)
    if failure.fix and not failure.lines:
        yield from wrapped(f"try: {failure.fix}", width)
    yield from wrapped(failure.failed, width)
    if failure.again:
        yield " " * INDENT + f"rerun: {failure.again}"


def _line(line: BlamedLine, failure: Failure, width: int) -> Iterator[str]:
    statement = f": {line.statement}" if line.statement else ""
    yield from wrapped(f"line {line.line} of backward{statement}", width)
    if line.message and line.message != failure.message:
        yield from wrapped(line.message + (f" [{line.code}]" if line.code else ""), width)
    if line.fix:
        place = f"below line {line.line}: " if line.adds else ""
        yield from wrapped(f"try: {place}{line.fix}", width)


def _error(failure: Failure) -> str:
    sentence = failure.error[0].upper() + failure.error[1:]
    if failure.ratio is None or sentence[:3] != "Off":
        return f"{sentence}."
    times = "over a million" if failure.ratio > 1e6 else f"{failure.ratio:,.0f}"
    return f"{sentence}; {times} times what rounding explains."


def summary_of(result: FunctionReportData) -> str:
    """Return the last sentence: the verdict, and what ran."""
    dtypes = ", ".join(dtype for dtype in DTYPES if dtype in result.dtypes)
    sizes = ", ".join(f"{letter} {_range(ns)}" for letter, ns in result.sizes if ns)
    tried = "; ".join(filter(None, (dtypes, sizes)))
    samples = _counted(result.samples, "sample") + (f" ({tried})" if tried else "")
    verdict = "correct" if result.ok else _counted(len(result.failures), "failure")
    return f"{result.function}: {verdict} in {samples}."


def _range(sizes: Sequence[int]) -> str:
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}-{sizes[-1]}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def wrapped(text: str, width: int, first: str = "", indent: int = INDENT) -> list[str]:
    """Return lines, `width` columns wide."""
    space = " " * indent
    return textwrap.wrap(
        text,
        width,
        initial_indent=space + first,
        subsequent_indent=space + " " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
