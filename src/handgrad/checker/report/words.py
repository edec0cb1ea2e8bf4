"""The words of a report, shared by its text and its HTML."""

import math
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from handgrad.checker.records import REPLACED, CellError, Place, ReportData, Row, part
from handgrad.text import array_text, printable

COUNTED = {
    "exact": "exact",
    "rounding": "correct up to rounding",
    "shape": "of the wrong shape",
    "wrong": "wrong",
    "missing": "not written yet",
}
CHECKED = {"exact": "exact", "rounding": "correct up to rounding", None: "right"}
ROOT = "With correct upstream gradients, this line gives a wrong result."
WRONG_SHAPE = "HG210"
"""The note on a right value in the wrong shape, which says how to correct it."""
MOST_LINES = 8  # of a statement; a longer one is cut
MOST_NAMES = 40  # of a list; a longer one is cut
SECTIONS = {
    "blame": "Lines to blame",
    "shape": "Right values in the wrong shape",
    "inherited": "Wrong because of earlier lines",
    "accident": "Right by accident",
    "right": "Right",
    "notes": "Notes",
    "errors": "Errors in the file",
}


@dataclass(frozen=True)
class Groups:
    """The rows of a report, in the groups that are shown together."""

    blame: list[Row]
    shape: list[Row]
    inherited: list[Row]
    """Rows that inherit from no line to blame that is shown."""
    right: list[Row]
    missing: list[Row]


def grouped(report: ReportData) -> Groups:
    """Return the rows in groups; within a group they keep their order."""
    wrong = [row for row in report.rows if row.verdict == "wrong"]
    blame = [row for row in wrong if row.blame != "inherited"]
    folded = {row.hand for row in blame}
    loose = [r for r in wrong if r.blame == "inherited" and not folded.intersection(r.blamed_on)]
    return Groups(
        blame=blame,
        shape=[row for row in report.rows if row.verdict == "shape"],
        inherited=loose,
        right=[row for row in report.rows if row.verdict in ("exact", "rounding")],
        missing=[row for row in report.rows if row.verdict == "missing"],
    )


def name(row: Row) -> str:
    """Return the user's name for the gradient."""
    return printable(row.hand or f"d{row.node}")


def owner(row: Row) -> str:
    """Return `of h` if the gradient's name does not show its tensor."""
    return "" if row.hand in (None, f"d{row.node}") else f"of {printable(row.node)}"


def place(where: Place | None) -> str:
    """Return `cell 4, line 7`, or `line 7` for a script."""
    return "" if where is None else str(where)


def places(row: Row) -> str:
    """Return where a gradient is computed, or all lines of it that are to blame."""
    if len(row.places) < 2:
        return place(row.places[0] if row.places else row.place)
    cells = {where.cell for where in row.places}
    if len(cells) > 1:
        return " and ".join(map(place, row.places))
    cell = cells.pop()
    lines = " and ".join(str(where.line) for where in row.places)
    return f"{part(cell)}lines {lines}"


def error_place(error: CellError) -> str:
    """Return `cell 4, line 7`, or the part of it that is known."""
    parts = (("cell", error.cell), ("line", error.line))
    return ", ".join(f"{what} {number}" for what, number in parts if number is not None)


def array(row: Row, shape: tuple[int, ...] | None) -> str:
    """Return a shape as `f32[32,64]`."""
    if shape is None:
        return ""
    return array_text(row.dtype or "", shape)


def shapes(row: Row) -> str:
    """Return the gradient's shape, and the expected one if it is different."""
    if row.shape == row.expected_shape or row.expected_shape is None or row.shape is None:
        return array(row, row.shape or row.expected_shape)
    return f"got {array(row, row.shape)}, expected {array(row, row.expected_shape)}"


def statement(row: Row) -> list[str]:
    """Return the lines of the user's statement, without their common indentation."""
    first, _, rest = (row.statement or "").strip().partition("\n")
    lines = [first, *textwrap.dedent(rest).split("\n")] if rest else [first]
    shown = [printable(line.expandtabs(4).rstrip()) for line in lines[:MOST_LINES] if line.strip()]
    return [*shown, "..."] if len(lines) > MOST_LINES else shown


def explanation(row: Row) -> list[str]:
    """Return what is wrong with a gradient, as sentences."""
    sentences = [printable(row.message)] if row.message else []
    if row.verdict == "wrong" and row.cause is None:
        if not sentences and row.blame == "root":
            sentences.append(ROOT)
        if row.max_abs_diff is not None and math.isfinite(row.max_abs_diff):
            sentences.append(_difference(row))
    return sentences


def correction(row: Row) -> list[str]:
    """Return the corrected line with what to do with it, and its verdict when it was run."""
    if row.fix is None:
        return []
    first, *rest = (printable(line) for line in row.fix.split("\n"))
    head = f"{instruction(row)}: "
    shown = [head + first, *(" " * len(head) + line for line in rest)]
    return [*shown[:-1], f"{shown[-1]}    (checked: {CHECKED[row.checked]})"]


def instruction(row: Row) -> str:
    """Return what to do with the corrected line: `try`, or `add below line 4`."""
    where = place(row.fix_at)
    if row.fix_adds:
        return f"add below {where}" if where else "add"
    return f"try, in {where}" if where else "try"


def aside(row: Row) -> str:
    """Return the remark on a gradient in a table."""
    if row.copied:
        return f"{COUNTED[row.verdict]}, from autograd"
    if row.message:
        return printable(row.message)
    return "" if row.verdict == "wrong" else COUNTED[row.verdict]


def _difference(row: Row) -> str:
    error = f"Off by up to {row.max_abs_diff:.3g}"
    if row.ratio is None or not math.isfinite(row.ratio):
        return f"{error}."
    times = "over a million" if row.ratio > 1e6 else f"{row.ratio:,.0f}"
    return f"{error}, {times} times what rounding explains."


def blamed(root: Row, report: ReportData) -> str:
    """Return `to blame for 3 others: da, db, dc`, or nothing."""
    wrong = [row for row in report.rows if row.verdict == "wrong" and row.blame == "inherited"]
    heirs = [name(row) for row in wrong if root.hand in row.blamed_on]
    return f"to blame for {counted(len(heirs), 'other')}: {names(heirs)}" if heirs else ""


def marks(report: ReportData) -> list[str]:
    """Return what a teacher is to look at: work that may not be the student's own."""
    exercise = report.exercise
    found = [f"from autograd: {report.copied}"] if report.copied else []
    if exercise is not None and not exercise.same_forward:
        found.append("forward pass differs from the exercise")
    if exercise is not None and exercise.present < exercise.asked:
        found.append(f"{exercise.present} of {exercise.asked} gradients present")
    second = report.seconded
    if second is not None and second.denied:
        found.append(f"not right when computed again: {second.denied}")
    unjudged = 0 if second is None else second.right - second.confirmed - second.denied
    found += [f"not computed again: {unjudged}"] if unjudged else []
    replaced = sum(note.code == REPLACED for note in report.notes)
    return [*found, *(["replaces functions"] if replaced else [])]


def notes(report: ReportData) -> list[tuple[str, str]]:
    """Return place and text of each note, without those that repeat a row."""
    misshapen = {row.node for row in report.rows if row.verdict == "shape"}
    return [
        (place(note.place), printable(f"{note.message} [{note.code}]"))
        for note in report.notes
        if not (note.code == WRONG_SHAPE and note.node in misshapen)
    ]


def errors(report: ReportData) -> list[tuple[str, str]]:
    """Return place and text of each error of the user's code."""
    return [(error_place(error), error.error) for error in report.errors]


def unwritten(report: ReportData) -> str:
    """Return `Not written yet: dh, dW`, or nothing."""
    missing = [row for row in grouped(report).missing if row.place is None]
    return f"Not written yet: {names(map(name, missing))}" if missing else ""


def unreached(report: ReportData) -> str:
    """Return `Not reached because of an error: dh, dW`, or nothing."""
    missing = [row for row in grouped(report).missing if row.place is not None]
    return f"Not reached because of an error: {names(map(name, missing))}" if missing else ""


def names(many: Iterable[str]) -> str:
    """Return names with commas between them, at most MOST_NAMES of them."""
    every = list(many)
    more = len(every) - MOST_NAMES
    return ", ".join(every[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def summary(report: ReportData) -> str:
    """Return the report in one line of counts."""
    groups = grouped(report)
    counts = report.counts
    written = sum(counts.values()) - counts["missing"]
    unreached = sum(row.place is not None for row in groups.missing)
    counts["missing"] -= unreached
    parts = {verdict: f"{n} {COUNTED[verdict]}" for verdict, n in counts.items() if n}
    if counts["wrong"]:
        parts["wrong"] += f" ({counted(len(groups.blame), 'line')} to blame)"
    missing = f"; {parts.pop('missing')}" if counts["missing"] else ""
    missing += f"; {unreached} not reached" if unreached else ""
    errors = f"; {counted(len(report.errors), 'error')} in the file" if report.errors else ""
    verdicts = f": {', '.join(parts.values())}" if parts else ""
    return f"{counted(written, 'gradient')} by hand{verdicts}{missing}{errors}."


def counted(number: int, thing: str) -> str:
    """Return `1 line` or `2 lines`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
