"""The verdicts below a cell as text and HTML, from a report."""

from dataclasses import replace

import pytest

from checker.report.sample import REPORT, Elements, everywhere, row
from handgrad.checker.records import HINTS, Hint
from handgrad.checker.report.report import Report
from handgrad.notebook.stale import StaleRow
from handgrad.notebook.verdicts import Verdicts

ONE = row("pre", "exact", 10)
RIGHT = Report("In [5]", (ONE, row("W", "rounding", 11)))
OLD = (
    StaleRow("h", "dh", "wrong", message="run In [3] again."),
    StaleRow("W", "dW", "wrong", message="run In [3] again."),
    StaleRow("b", "db", "wrong", message="run In [4] again."),
)


def test_the_line_counts_what_there_is() -> None:
    assert Verdicts(REPORT, "what").line == "handgrad: 1 exact · 1 of the wrong shape · 3 wrong"
    assert Verdicts(RIGHT, "what").line == "handgrad: 1 exact · 1 correct up to rounding"


def test_right_gradients_take_one_line() -> None:
    said = Verdicts(RIGHT, "fix")
    assert said.text() == said.line
    assert Verdicts(RIGHT, "fix", again="In [4]").text() == f"{said.line} (same as after In [4])"


def test_gradients_with_the_same_message_are_listed_together() -> None:
    report = replace(RIGHT, rows=(ONE, *OLD))
    said = Verdicts(report, "where")
    assert said.text() == (
        "handgrad: 1 exact · 3 out of date\n\n  dh, dW: run In [3] again.\n  db: run In [4] again."
    )
    words = Elements(said.html()).words
    assert "! handgrad: 1 exact · 3 out of date" in words
    assert "dh, dW out of date: run In [3] again." in words


@pytest.mark.parametrize("level", HINTS)
def test_only_out_of_date(level: Hint) -> None:
    said = Verdicts(Report("In [5]", OLD[:1]), level, whole=True)
    assert said.text() == "handgrad: 1 out of date\n\n  dh: run In [3] again."
    assert (
        Elements(said.html()).words == "! handgrad: 1 out of date dh out of date: run In [3] again."
    )


def test_it_opens_where_something_is_wrong() -> None:
    def is_open(said: Verdicts) -> bool:
        return said.html().startswith('<details class="handgrad handgrad-cell" open="">')

    assert is_open(Verdicts(REPORT, "what"))
    assert not is_open(Verdicts(REPORT, "what", again="In [4]"))
    assert not is_open(Verdicts(RIGHT, "what"))


def test_the_html_is_well_formed_and_folds_a_whole_report() -> None:
    html = Verdicts(REPORT, "what").html()
    elements = Elements(html)
    assert elements.open == []
    assert REPORT.hinted("what").to_html() in html


def test_the_text_fits_a_narrow_console() -> None:
    text = Verdicts(replace(REPORT, rows=(*REPORT.rows, *OLD)), "fix", width=40).text()
    assert max(map(len, text.split("\n"))) <= 40


def test_no_control_character_reaches_a_console() -> None:
    planted = everywhere(replace(REPORT, rows=(*REPORT.rows, *OLD)), "a\x1b]0;title\x07\u202eb")
    rows = tuple(replace(r, dtype="float32", cause="HG101") for r in planted.rows)  # never theirs
    text = Verdicts(replace(planted, rows=rows), "fix").text()
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "\\x1b]0;title\\x07\\u202e" in text
