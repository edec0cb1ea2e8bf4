"""A training loop is left once its first steps are recorded, unless something below needs it."""

import json
from pathlib import Path

import pytest

from handgrad.checker.run.run import check_file

LOOP = """\
import torch
w = torch.randn(4, 1)
x, y = torch.randn(5, 4), torch.randn(5, 1)
losses = []
for step in range({steps}):
    e = x @ w - y
    loss = (e**2).mean()
    de = 2 * e / 5
    dw = x.T @ de
    w = w - 0.01 * dw
    losses.append(loss.item())
"""
PICTURE = "print(len(losses), torch.tensor(losses).view(-1, 10).mean(1))\n"
BELOW = "u = x @ w\nloss = u.sum()\ndu = torch.ones_like(u) * (len(losses) == {steps})\n"


def notebook(path: Path, *cells: str) -> Path:
    made = [
        {"cell_type": "code", "source": c, "outputs": [], "metadata": {}, "execution_count": None}
        for c in cells
    ]
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def script(path: Path, *cells: str) -> Path:
    path.write_text("".join(cells))
    return path


@pytest.mark.parametrize("write", [notebook, script])
def test_a_loop_is_left_and_what_only_shows_its_result_raises_nothing(write, tmp_path):
    file = write(tmp_path / f"{write.__name__}.{'ipynb' if write is notebook else 'py'}",
                 LOOP.format(steps=100_000_000), PICTURE)  # fmt: skip
    report = check_file(file, timeout=120).report
    assert report.ok
    assert report.errors == ()
    (note,) = report.notes
    assert (note.code, note.place.line, note.message) == (
        "HG214",
        5,
        "the first 2 steps of this loop were judged; it was left then, because no gradient below "
        "needs its result. --whole runs it to its end.",
    )


@pytest.mark.parametrize("write", [notebook, script])
def test_a_gradient_below_gets_the_whole_loop(write, tmp_path):
    file = write(tmp_path / f"{write.__name__}.{'ipynb' if write is notebook else 'py'}",
                 LOOP.format(steps=30), BELOW.format(steps=30))  # fmt: skip
    report = check_file(file).report
    assert {row.hand: row.verdict for row in report.rows if row.hand == "du"} == {"du": "exact"}
    assert [note.message for note in report.notes] == [
        "recording of this loop stopped after 2 steps; its other iterations ran unrecorded."
    ]


def test_whole_runs_it_to_its_end(tmp_path):
    outcome = check_file(script(tmp_path / "s.py", LOOP.format(steps=30), PICTURE), whole=True)
    assert outcome.output.startswith("30 ")
    assert outcome.report.ok
