"""What the text and the HTML of a report both say: the same words, put together once."""

import math
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from handgrad.checker.records import CellError, Place, ReportData, Row
from handgrad.text import printable

DTYPES = {
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
    "float64": "f64",
    "complex64": "c64",
    "complex128": "c128",
}
COUNTED = {
    "exact": "exact",
    "rounding": "right but for rounding",
    "shape": "of the wrong shape",
    "wrong": "wrong",
    "missing": "not written yet",
}
CHECKED = {"exact": "exact", "rounding": "right but for rounding", None: "right"}
ROOT = "From the gradients that it starts from, this line should have made something else."
WRONG_SHAPE = "HG210"
"""The note on a right value in the wrong shape, which says how to correct it."""
MOST_LINES = 8  # of a statement; what is to be seen of a longer one is its beginning
MOST_NAMES = 40
SECTIONS = {
    "blame": "Lines to blame",
    "shape": "Right values in the wrong shape",
    "inherited": "Wrong because of lines above them",
    "right": "Right",
    "notes": "Worth knowing",
    "errors": "Raised while the file ran",
}


@dataclass(frozen=True)
class Groups:
    """The rows of a report in the order in which they are shown."""

    blame: list[Row]
    shape: list[Row]
    inherited: list[Row]
    """Those not folded under a line to blame."""
    right: list[Row]
    missing: list[Row]


def grouped(report: ReportData) -> Groups:
    """Sort rows into what is shown together; within a group they stay in order."""
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
    """What the user calls the gradient."""
    return printable(row.hand or f"d{row.node}")


def owner(row: Row) -> str:
    """`of h` where the gradient's name does not already say whose it is."""
    return "" if row.hand in (None, f"d{row.node}") else f"of {printable(row.node)}"


def place(where: Place | None) -> str:
    """`cell 4, line 7`."""
    if where is None:
        return ""
    return f"line {where.line}" if where.cell is None else f"cell {where.cell}, line {where.line}"


def places(row: Row) -> str:
    """Where a gradient is made, or every line of it that is to blame."""
    if len(row.places) < 2:
        return place(row.places[0] if row.places else row.place)
    cells = {where.cell for where in row.places}
    if len(cells) > 1:
        return " and ".join(map(place, row.places))
    cell = cells.pop()
    lines = " and ".join(str(where.line) for where in row.places)
    return f"lines {lines}" if cell is None else f"cell {cell}, lines {lines}"


def error_place(error: CellError) -> str:
    """`cell 4, line 7`, or what of it is known."""
    parts = (("cell", error.cell), ("line", error.line))
    return ", ".join(f"{what} {number}" for what, number in parts if number is not None)


def array(row: Row, shape: tuple[int, ...] | None) -> str:
    """`f32[32,64]`."""
    if shape is None:
        return ""
    dtype = (row.dtype or "").removeprefix("torch.")
    return f"{DTYPES.get(dtype, dtype)}[{','.join(map(str, shape))}]"


def shapes(row: Row) -> str:
    """The gradient's shape, and the expected one where it is another."""
    if row.shape == row.expected_shape or row.expected_shape is None or row.shape is None:
        return array(row, row.shape or row.expected_shape)
    return f"got {array(row, row.shape)}, expected {array(row, row.expected_shape)}"


def statement(row: Row) -> list[str]:
    """The user's statement, line by line, without the indentation of where it stands."""
    first, _, rest = (row.statement or "").strip().partition("\n")
    lines = [first, *textwrap.dedent(rest).split("\n")] if rest else [first]
    shown = [printable(line.expandtabs(4).rstrip()) for line in lines[:MOST_LINES] if line.strip()]
    return [*shown, "..."] if len(lines) > MOST_LINES else shown


def explanation(row: Row) -> list[str]:
    """What is the matter with a gradient, sentence by sentence."""
    sentences = [printable(row.message)] if row.message else []
    if row.verdict == "wrong" and row.cause is None:
        if not sentences and row.blame == "root":
            sentences.append(ROOT)
        if row.max_abs_diff is not None and math.isfinite(row.max_abs_diff):
            sentences.append(_difference(row))
    return sentences


def mend(row: Row) -> list[str]:
    """The corrected line, told to be one, and what it gave when it was run."""
    if row.fix is None:
        return []
    first, *rest = (printable(line) for line in row.fix.split("\n"))
    head = f"{told(row)}: "
    shown = [head + first, *(" " * len(head) + line for line in rest)]
    return [*shown[:-1], f"{shown[-1]}    (checked: {CHECKED[row.checked]})"]


def told(row: Row) -> str:
    """Where the corrected line belongs: `try`, or `add below line 4`."""
    where = place(row.fix_at)
    if row.fix_adds:
        return f"add below {where}" if where else "add"
    return f"try, in {where}" if where else "try"


def aside(row: Row) -> str:
    """What is said of a gradient in a table of many."""
    if row.message:
        return printable(row.message)
    return "" if row.verdict == "wrong" else COUNTED[row.verdict]


def _difference(row: Row) -> str:
    far = f"Off by up to {row.max_abs_diff:.3g}"
    if row.ratio is None or not math.isfinite(row.ratio):
        return f"{far}."
    times = "over a million" if row.ratio > 1e6 else f"{row.ratio:,.0f}"
    return f"{far}, {times} times what rounding explains."


def blamed(root: Row, report: ReportData) -> str:
    """`to blame for 3 others: da, db, dc`, or nothing."""
    heirs = [name(row) for row in report.rows if row.verdict == "wrong" and _inherits(row, root)]
    if not heirs:
        return ""
    others = "1 other" if len(heirs) == 1 else f"{len(heirs)} others"
    return f"to blame for {others}: {names(heirs)}"


def notes(report: ReportData) -> list[tuple[str, str]]:
    """Place and text of each note, but for those that repeat what a row says."""
    bent = {row.node for row in report.rows if row.verdict == "shape"}
    return [
        (place(note.place), printable(f"{note.message} [{note.code}]"))
        for note in report.notes
        if not (note.code == WRONG_SHAPE and note.node in bent)
    ]


def _inherits(row: Row, root: Row) -> bool:
    return row.blame == "inherited" and root.hand in row.blamed_on


def names(many: Iterable[str]) -> str:
    """A list of names that does not flood the screen."""
    listed = list(many)
    more = len(listed) - MOST_NAMES
    return ", ".join(listed[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def summary(report: ReportData) -> str:
    """The report in one line."""
    groups = grouped(report)
    counts = report.counts
    written = sum(counts.values()) - counts["missing"]
    found = {verdict: f"{n} {COUNTED[verdict]}" for verdict, n in counts.items() if n}
    if counts["wrong"]:
        found["wrong"] += f" ({_counted(len(groups.blame), 'line')} to blame)"
    missing = f"; {found.pop('missing')}" if counts["missing"] else ""
    failed = f"; {_counted(len(report.errors), 'error')} while it ran" if report.errors else ""
    listed = f": {', '.join(found.values())}" if found else ""
    return f"{_counted(written, 'gradient')} by hand{listed}{missing}{failed}."


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
