"""The marks of verdicts, and the states that a gradient is drawn in."""

from handgrad.checker.records import Row

MARKS = {"wrong": "✗", "shape": "~", "exact": "✓", "rounding": "≈", "missing": "·"}
ASCII_MARKS = {"wrong": "x", "shape": "~", "exact": "=", "rounding": "~", "missing": "."}
STATES = {
    "root": "a line to blame",
    "inherited": "wrong, inherited",
    "wrong": "wrong",
    "shape": "right value, wrong shape",
    "exact": "exact",
    "rounding": "correct up to rounding",
    "missing": "not written yet",
    "none": "no gradient by hand",
}
"""The states of a gradient, the worst first."""
STATE_MARKS = {**MARKS, "root": MARKS["wrong"], "inherited": MARKS["wrong"], "none": ""}


def state_of(row: Row) -> str:
    """Return the state of a gradient."""
    if row.blame == "root":
        return "root"
    return "inherited" if row.verdict == "wrong" and row.blame == "inherited" else row.verdict
