"""Programs with one wrong line, through the whole checker."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from benchmarks.proving.grade import check
from benchmarks.proving.program import SOURCE, SQUARE, settings

from checker.causes import programs
from handgrad.checker.records import Row

Explained = Callable[..., Row]


@pytest.fixture
def explained() -> Explained:
    """Check a program and return the row of one gradient in it."""

    def row(source: str, hand: str) -> Row:
        report = check(source, {"torch": torch, "F": F})
        return next(row for row in report.rows if row.hand == hand)

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
