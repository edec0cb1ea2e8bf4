"""The six functions of benchmarks.ordinary, and their table in docs/pytest.md."""

import re
from pathlib import Path

import pytest
from benchmarks.ordinary.__main__ import BEGIN, END
from benchmarks.ordinary.cases import cases
from benchmarks.ordinary.tools import TOOLS
from benchmarks.pages import write_between

PAGE = (Path(__file__).parents[2] / "docs" / "pytest.md").read_text()
TABLE = PAGE.partition(BEGIN)[2].partition(END)[0]


def test_each_right_function_has_a_wrong_twin() -> None:
    known = cases()
    assert [case.name for case in known[:6]] == [case.name for case in known[6:]]
    assert [bool(case.wrong) for case in known] == [False] * 6 + [True] * 6


@pytest.mark.parametrize("tool", ["gradcheck", "opcheck"])
def test_the_page_shows_what_torch_says(tool: str) -> None:
    column = list(TOOLS).index(tool)
    for case in cases():
        (shown,) = re.findall(rf"^\| {re.escape(case.title)} \| (.*) \|$", TABLE, re.MULTILINE)
        findings = TOOLS[tool](case)
        verdict, _, _ = shown.split(" | ")[column].partition(",")
        if findings is None:
            assert verdict == "not applicable"
        elif case.wrong:
            assert verdict == ("found" if findings else "not found")
        else:
            assert (verdict, findings) == ("passes", "")


def test_the_page_shows_that_check_function_is_right_about_all() -> None:
    for case in cases():
        row = f"| {case.title} | {'found' if case.wrong else 'passes'}"
        assert row in TABLE


@pytest.mark.parametrize("number", [5, 11])
def test_check_function_is_right_about_an_overwritten_input(number: int) -> None:
    case = cases()[number]
    assert bool(TOOLS["check_function"](case)) == bool(case.wrong)


def test_a_page_without_the_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_between(page, BEGIN, END, "new")
    assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    page.write_text(f"{BEGIN}\nold\n")
    with pytest.raises(ValueError, match="has no"):
        write_between(page, BEGIN, END, "new")
    assert page.read_text() == f"{BEGIN}\nold\n"
