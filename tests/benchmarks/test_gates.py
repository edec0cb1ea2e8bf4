"""The forty kernels of benchmarks.gates, and their table in docs/pytest.md."""

from pathlib import Path

import pytest
from benchmarks.gates.__main__ import BEGIN, END
from benchmarks.gates.kernels import kernels
from benchmarks.gates.rules import RULES, judged

PAGE = (Path(__file__).parents[2] / "docs" / "pytest.md").read_text()
QUICK = [rule for rule in RULES if not rule.startswith("check")]


def test_half_of_the_kernels_are_wrong() -> None:
    assert [bool(kernel.wrong) for kernel in kernels()] == [True] * 20 + [False] * 20


@pytest.mark.parametrize("rule", QUICK)
def test_no_rule_refuses_a_right_kernel(rule: str) -> None:
    assert all(judged(kernel, rule)[0] for kernel in kernels()[20:])


def test_handgrad_is_right_about_two_of_each_kind() -> None:
    known = kernels()
    for i in (5, 19, 25, 33):
        assert judged(known[i], "check_function")[0] == (not known[i].wrong)


def test_the_table_names_every_rule_and_every_wrong_kernel() -> None:
    table = PAGE.partition(BEGIN)[2].partition(END)[0]
    for rule in RULES:
        assert f"| {rule} | " in table
    for kernel in kernels()[:20]:
        assert f"| {kernel.name}: {kernel.wrong} | " in table
    assert "| check_function | 20 of 20 | 20 of 20 | " in table
    assert "| check-function | 20 of 20 | 20 of 20 | " in table
