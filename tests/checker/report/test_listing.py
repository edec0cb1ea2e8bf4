"""The user's source with its marks."""

import re
from dataclasses import replace

from checker.report.sample import REPORT, ROOT, SOURCE, Elements, part
from handgrad.checker.records import Listing, Place
from handgrad.checker.report.report import Report

TARGETS = {i: f"a-{i}" for i in range(6)}


def listing(report: Report) -> str:
    """The HTML of the report's one listing."""
    (source,) = report.listings
    return part("listing", report, source, TARGETS)


def shown(report: Report) -> list[str]:
    """Return the text of each line, including folded ones."""
    parts = re.findall(
        r'<div class="ln.*?</div>|<summary>.*?</summary>|<div class="more">.*?<', listing(report)
    )
    return [Elements(part.removesuffix("<")).words for part in parts]


def test_every_line_that_computes_a_gradient_is_marked() -> None:
    assert shown(REPORT) == [
        "4 lines",
        "1 import torch",
        "2",
        "3 h = torch.tanh(x @ W)",
        "4 counts = h.exp()",
        "5 loss = counts.sum()",
        "6 loss.backward()",
        "7",
        "8 ✓ dcounts = torch.ones_like(counts)",
        "9 ✗ dh = h * dcounts",
        "10 ✗ dpre = (1 - h**2) * dh",
        "11 ✗ dW = x.T @ dpre",
        "12 ~ dz = dpre.sum(0, keepdim=True)",
    ]


def test_a_line_whole() -> None:
    assert (
        '<div class="ln root"><span class="no">9</span><span class="marks"><a href="#a-1" '
        'title="dh: a line to blame" aria-label="dh: a line to blame">✗</a></span>'
        "<code>dh = h * dcounts</code></div>"
    ) in listing(REPORT)


def test_every_line_to_blame_is_marked() -> None:
    two = replace(ROOT, places=(Place(9), Place(11)))
    assert [line for line in shown(replace(REPORT, rows=(two,))) if "✗" in line] == [
        "9 ✗ dh = h * dcounts",
        "11 ✗ dW = x.T @ dpre",
    ]


def test_a_line_with_another_text_is_not_marked() -> None:
    """Two functions that are checked together may have the same line numbers."""
    other = Listing(None, SOURCE.replace("dh = h", "dq = h"))
    lines = shown(replace(REPORT, rows=(ROOT,), listings=(other,)))
    assert lines[0] == "12 lines"
    assert "9 dq = h * dcounts" in lines


def test_cells_have_their_numbers_and_indentation_stays() -> None:
    row = replace(ROOT, place=Place(2, 4), places=(), statement="dh = h")
    report = Report("a.ipynb", (row,), listings=(Listing(4, "for k in ks:\n\tdh = h"),))
    html = listing(report)
    assert html.startswith('<div class="listing"><h3>Cell 4</h3>')
    assert "<code>    dh = h</code>" in html


def test_very_many_lines_are_counted_only() -> None:
    lines = ["x = 1"] * 1000
    row = replace(ROOT, place=Place(1), places=(), statement="x = 1")
    report = Report("s.py", (row,), listings=(Listing(None, "\n".join(lines)),))
    assert shown(report)[-1] == "996 lines not shown"
    assert len(shown(report)) == 5
