"""Programs with one wrong line, through the whole checker."""

import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from benchmarks.proving.grade import check
from benchmarks.proving.program import SOURCE, SQUARE, settings

from checker.explain.causes import programs
from handgrad.checker.records import Row
from handgrad.checker.report.report import Report

Explained = Callable[..., Row]


def assert_told(row: Row, code: str, message: str, fix: str | None, at: tuple | None) -> None:
    """Hold a row to its cause, message and corrected line, which was checked, and where it goes."""
    assert (row.cause, row.message, row.fix) == (code, message, fix)
    assert at == (row.fix_at and (row.fix_at.line, row.fix_adds))
    assert (row.checked is None) == (fix is None)


@pytest.fixture
def reported() -> Callable[[str], Report]:
    """Check a program."""
    return lambda source: check(source, {"torch": torch, "F": F})


@pytest.fixture
def explained(reported) -> Explained:
    """Check a program and return the row of one gradient in it."""

    def row(source: str, hand: str) -> Row:
        return next(row for row in reported(source).rows if row.hand == hand)

    return row


@pytest.fixture
def small(explained) -> Explained:
    """Check a few lines: the row of the last gradient, which is the one that is off.

    `leaves` are names with their sizes, `x 4 3, W 3 5`; the loss is the forward's last line, or
    the sum of its last name times random numbers whose gradient is given (`dy` for y).
    """

    def row(leaves: str, forward: str, backward: str, dtype: str = "torch.float32") -> Row:
        made = ["torch.manual_seed(0)", f"torch.set_default_dtype({dtype})"]
        for leaf in leaves.split(", "):
            name, *sizes = leaf.split()
            made.append(f"{name} = torch.randn([{', '.join(sizes)}]).requires_grad_()")
        out = forward.rstrip().split("\n")[-1].split(" = ")[0]
        made += [forward]
        if out != "loss":
            made += [f"upstream = torch.randn({out}.shape)", f"loss = ({out} * upstream).sum()"]
        made += ["loss.backward()"]
        made += ["" if out == "loss" else f"d{out} = upstream.clone()", backward]
        hand = re.findall(r"\w+", backward.rstrip().split("\n")[-1])[0]
        before = torch.get_default_dtype()
        try:
            return explained("\n".join(made) + "\n", hand)
        finally:
            torch.set_default_dtype(before)

    return row


@pytest.fixture
def lecture() -> Explained:
    """Put one line into the lecture's program in the place of another; the row that is to blame.

    Every matrix in it is square, so that what needs equal sizes runs.
    """

    def row(original: str, mutated: str, hand: str = "") -> Row:
        assert SOURCE.count(f"{original}\n") == 1, original
        report = check(SOURCE.replace(f"{original}\n", f"{mutated}\n"), settings(SQUARE))
        hand = hand or mutated.split(" ")[0].split("[")[0].split(".")[0]
        return next(row for row in report.rows if row.hand == hand)

    return row


@pytest.fixture
def row_of(explained: Explained, lecture: Explained) -> Explained:
    """Append lines to a program of programs.py; or put them into LECTURE for its `original`."""

    def row(program: str, original: str, lines: str, hand: str) -> Row:
        if program == "LECTURE":
            return lecture(original, lines, hand)
        return explained(f"{getattr(programs, program)}{lines}\n", hand)

    return row
