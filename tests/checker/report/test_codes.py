"""The pages of codes: every code in the source has one, and how pages are found."""

import re
from pathlib import Path

import pytest

from handgrad.checker.explain.causes import CAUSES
from handgrad.checker.functions.causes import FUNCTION_CAUSES
from handgrad.checker.report import codes
from handgrad.checker.report.codes import Page, find, near, pages
from handgrad.checker.scalars import order

SOURCE = Path(codes.__file__).parents[2]
NOTE = re.compile(r'"(HG2\d\d)"')


def said(pattern: re.Pattern[str]) -> set[str]:
    """Return the codes in the source."""
    return {code for path in SOURCE.rglob("*.py") for code in pattern.findall(path.read_text())}


def test_every_note_has_a_page() -> None:
    assert {code for code in pages() if code.startswith("HG2")} == said(NOTE)


def test_the_pages_of_causes_are_those_in_the_tables() -> None:
    tables = {cause.code: (cause.name, cause.page) for cause in CAUSES}
    tables |= {cause.code: (cause.name, cause.__doc__) for cause in FUNCTION_CAUSES}
    tables[order.CODE] = (order.NAME, order.__doc__)
    read = {code: page.name for code, page in pages().items() if code.startswith("HG1")}
    assert read == {code: name for code, (name, _) in tables.items()}
    for code, (_, text) in tables.items():
        assert pages()[code].text.split() == text.split(), code


@pytest.mark.parametrize("page", pages().values(), ids=lambda page: page.code)
def test_every_page_says_what_and_why(page: Page) -> None:
    headings = [heading.removesuffix(":") for heading, _ in page.lines() if heading]
    assert headings in (["What", "Why", "Wrong", "Right"], ["What", "Why"])
    assert page.code[2] == "2" or len(headings) == 4, "a cause shows a wrong and a right line"
    assert all(len(heading + rest) <= 100 for heading, rest in page.lines())
    assert page.name == page.name.strip()
    assert len(page.name) <= 60


def test_pages_are_in_the_order_of_their_codes() -> None:
    assert list(pages()) == sorted(pages())


FAKE = '''
"""Not the page."""
CODE = "HG900"  # of no page: it has no name


@cause("HG901", "first")
def one(e):
    """Says one.

    What
        That.
    """


@other
def two(e):
    """No page."""
'''
OWN = '"""Its page.\n\nWhat: that.\n"""\nCODE = "HG902"\nNAME = "second"\n'


def test_pages_are_read_from_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake.py").write_text(FAKE)
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.setattr(codes, "FOLDERS", (tmp_path, tmp_path / "none"))
    notes = tmp_path / "notes.md"
    notes.write_text("# HG100: zeroth\nWhat: this.")
    monkeypatch.setattr(codes, "PAGES_OF_NOTES", notes)
    assert list(pages().values()) == [
        Page("HG100", "zeroth", "What: this."),
        Page("HG901", "first", "Says one.\n\nWhat\n    That."),
        Page("HG902", "second", "Its page.\n\nWhat: that."),
    ]


KNOWN = {
    code: Page(code, name, "")
    for code, name in (
        ("HG101", "missing branch"),
        ("HG104", "power rule"),
        ("HG110", "missing sum"),
        ("HG162", "power rule"),
        ("HG201", "alias"),
    )
}


@pytest.mark.parametrize(
    ("asked", "codes"),
    [
        ("HG104", ["HG104"]),
        ("hg104", ["HG104"]),
        (" 104 ", ["HG104"]),
        ("Power  rule", ["HG104", "HG162"]),
        ("HG105", []),
        ("rule", []),
    ],
)
def test_found(asked: str, codes: list[str]) -> None:
    assert [page.code for page in find(asked, KNOWN)] == codes


@pytest.mark.parametrize(
    ("asked", "codes"),
    [
        ("HG105", ["HG104", "HG101", "HG110"]),
        ("pwer rule", ["HG104", "HG162"]),
        ("missing", ["HG110", "HG101"]),
        ("zzz", []),
    ],
)
def test_near(asked: str, codes: list[str]) -> None:
    assert [page.code for page in near(asked, KNOWN)] == codes


def test_a_heading_starts_a_line_and_ends_it_or_has_a_colon() -> None:
    text = "What lies there.\n\nWhat: this.\nWhy\n    Whatever: Why not.\nRight:\n\n    Right: x"
    assert list(Page("", "", text).lines()) == [
        ("", "What lies there."),
        ("", ""),
        ("What:", " this."),
        ("Why", ""),
        ("", "    Whatever: Why not."),
        ("Right:", ""),
        ("", ""),
        ("", "    Right: x"),
    ]
