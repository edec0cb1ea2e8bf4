"""Engines of numbers that differentiate themselves, each with one line changed."""

import json
from pathlib import Path

import pytest

from checker.scalars import engines_of_closures, engines_of_functions, engines_of_slopes
from checker.scalars.faults import FAULTS
from handgrad.checker.run.run import check_file
from handgrad.checker.scalars.check import check_engines
from handgrad.errors import CheckError

ENGINES = {
    name.lower(): text
    for module in (engines_of_closures, engines_of_functions, engines_of_slopes)
    for name, text in vars(module).items()
    if name.isupper()
}
CLOSURES = ENGINES["closures"]


@pytest.mark.parametrize("name", ENGINES)
def test_a_correct_engine_is_right_in_every_rule(name: str) -> None:
    rows = check_engines([(None, ENGINES[name])]).rows
    assert len(rows) >= 7
    assert {row.verdict for row in rows} == {"rounding"}


@pytest.mark.parametrize(("name", "was", "now", "hand", "cause", "fix"), FAULTS)
def test_the_changed_line_is_named_with_its_reason_and_correction(
    name: str, was: str, now: str, hand: str, cause: str, fix: str | None
) -> None:
    assert was in ENGINES[name]
    rows = check_engines([(None, ENGINES[name].replace(was, now, 1))]).rows
    roots = [row for row in rows if row.blame == "root"]
    assert [(row.hand, row.cause, row.fix) for row in roots] == [(hand, cause, fix)]


RIGHT = """\
it.py

Right
  ≈ Number.__add__: self.grad   of self             line 16    right for 12 random pairs of numbers
  ≈ Number.__add__: other.grad  of other            line 17    right for 12 random pairs of numbers
  ≈ Number.__mul__: self.grad   of self             line 27    right for 12 random pairs of numbers
  ≈ Number.__mul__: other.grad  of other            line 28    right for 12 random pairs of numbers
  ≈ Number.__pow__: self.grad   of self             line 37    right for 12 random numbers
  ≈ Number.relu: self.grad      of self             line 46    right for 12 random numbers
  ≈ Number.tanh: self.grad      of self             line 56    right for 12 random numbers
  ≈ Number.backward             of the whole graph  line 73    right for 12 random graphs

Notes
    the rules of Number were tested on random numbers, against central differences; this did not run
    the rest of the file [HG230]

8 gradients by hand: 8 correct up to rounding.
"""
WRONG = """\
it.py

Lines to blame
  ✗ Number.__mul__: other.grad   of other   line 28
      other.grad += other.data * out.grad
      other.data is used where self.data belongs. It gives -1.719 where the central difference is
      1.732. [HG107]
      try: other.grad += self.data * out.grad    (checked: correct up to rounding)
      to blame for 1 other: Number.__truediv__: other.grad
"""


def test_a_file_with_an_engine_alone_is_judged_without_a_run(tmp_path: Path) -> None:
    file = tmp_path / "it.py"
    file.write_text(CLOSURES)
    report = check_file(file).report
    assert report.to_text().replace(str(file), "it.py") == RIGHT
    assert report.errors == ()


def test_the_report_on_a_wrong_operand(tmp_path: Path) -> None:
    file = tmp_path / "it.py"
    file.write_text(CLOSURES.replace("self.data * out.grad", "other.data * out.grad", 1))
    text = check_file(file).report.to_text().replace(str(file), "it.py")
    assert text.startswith(WRONG)


def test_a_notebook_with_the_imports_in_another_cell(tmp_path: Path) -> None:
    head, _, rest = CLOSURES.partition("class Number")
    wrong = f"class Number{rest}".replace("(1 - t**2)", "(1 + t**2)")
    cells = [f"%matplotlib inline\n{head}", wrong]
    code = [
        {"cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
        for s in cells
    ]
    file = tmp_path / "it.ipynb"
    file.write_text(json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    (root,) = [row for row in check_file(file).report.rows if row.blame == "root"]
    assert (root.hand, root.place.cell, root.fix) == (  # type: ignore[union-attr]
        "Number.tanh: self.grad",
        2,
        "self.grad += (1 - t**2) * out.grad",
    )


def test_numbers_without_a_gradient_are_no_engine(tmp_path: Path) -> None:
    file = tmp_path / "it.py"
    file.write_text(
        "class Money:\n"
        "    def __init__(self, cents): self.cents = cents\n"
        "    def __add__(self, other): return Money(self.cents + other.cents)\n"
        "    def __mul__(self, other): return Money(self.cents * other.cents)\n"
    )
    with pytest.raises(CheckError, match="found no gradient by hand"):
        check_file(file)


GUARDED = (
    "    def log(self):\n"
    "        kept = max(self.data, 1e-7)\n"
    "        out = Number(math.log(kept), (self,))\n\n"
    "        def pass_on():\n"
    "            self.grad += out.grad / kept\n\n"
    "        out.pass_on = pass_on\n"
    "        return out\n\n"
)


@pytest.mark.parametrize(
    "more",
    [
        GUARDED,
        "    def detach(self):\n        return Number(self.data)\n\n",
        "    def rounded(self):\n        out = Number(round(self.data), (self,))\n"
        "        def pass_on(): self.grad += out.grad\n"
        "        out.pass_on = pass_on\n        return out\n\n",
        "    def zero_grad(self):\n        self.grad = 0.0\n\n",
        "    def show(self):\n        print(self.data)\n        return self\n\n",
        "    def save(self):\n        open('it.txt', 'w')\n\n",
    ],
    ids=["guarded log", "detach", "straight-through", "zero_grad", "show", "save"],
)
def test_what_is_meant_so_is_not_called_wrong(more: str) -> None:
    source = CLOSURES.replace("    def __neg__", f"{more}    def __neg__")
    assert all(row.verdict == "rounding" for row in check_engines([(None, source)]).rows)
