"""A failure inside the checker costs its own part of the report, and a note says so."""

import pytest

from handgrad.checker import check as stages
from handgrad.errors import CheckError

CODE = """\
import torch
torch.manual_seed(0)
x = torch.randn(4, 3, requires_grad=True)
y = x * 2
loss = (y**2).sum()
loss.backward()
dy = 3 * y
dx = 2 * dy
u = torch.randn(4, 2, requires_grad=True)
loss = (u**3).sum()
loss.backward()
du = 3 * u**2
"""
PARTS = {
    "explain": ("no cause was looked for", ["dy", "dx", "du"]),
    "find_notes": ("no notes were made", ["dy", "dx", "du"]),
    "edges_of": ("the graph has no edges", ["dy", "dx", "du"]),
    "missing_rows": ("gradients that are not written yet are not listed", ["dy", "dx", "du"]),
    "graded": ("dy and dx could not be graded", ["du"]),
    "paired": ("dy and dx could not be graded", ["du"]),
}


@pytest.mark.parametrize("stage", PARTS)
def test_the_rest_of_the_report_is_given(check, monkeypatch, stage):
    whole, calls = getattr(stages, stage), []

    def fails(*args):
        calls.append(args)
        if len(calls) == 1:
            raise KeyError(17)
        return whole(*args)

    monkeypatch.setattr(stages, stage, fails)
    report = check(CODE)
    what, hands = PARTS[stage]
    assert [row.hand for row in report.rows if row.hand] == hands
    (note,) = [note for note in report.notes if note.code == "HG220"]
    assert note.message.startswith(f"{what}: handgrad itself failed (KeyError: 17, at test_mishaps")
    assert note.message.endswith("The rest of the report is not affected. Please report it.")


def test_without_any_part_the_reason_is_given(check, monkeypatch):
    def fails(*_):
        raise KeyError(17)

    monkeypatch.setattr(stages, "paired", fails)
    with pytest.raises(CheckError, match="dy and dx could not be graded: handgrad itself failed"):
        check(CODE)
