"""A report as a fragment and as a page."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise, product

import pytest

from checker.report.sample import REPORT, ROOT, Elements, everywhere, part, row
from handgrad.checker.records import HINTS, Place, Row, Spread
from handgrad.checker.report.report import Report
from handgrad.checker.report.templates import style_sheet

HOSTILE = "<img src=x onerror=alert(1)>\"'&\x1b]0;title\x07\u202e</style>{policy}"
SHOWN = "<img src=x onerror=alert(1)>\"'&\\x1b]0;title\\x07\\u202e</style>{policy}"
TAGS = {
    "a", "b", "code", "details", "div", "figcaption", "figure", "g", "header", "html", "h1", "h2",
    "h3", "head", "body", "li", "main", "meta", "p", "path", "pre", "rect", "section", "span",
    "style", "summary", "svg", "table", "tbody", "td", "text", "th", "thead", "title", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "aria-hidden", "aria-label", "charset", "class", "content", "d", "height", "href", "http-equiv",
    "id", "lang", "name", "preserveaspectratio", "role", "rx", "scope", "tabindex", "title",
    "viewbox", "width", "x", "y",
}  # fmt: skip
BOTH = pytest.mark.parametrize("page", [False, True], ids=["fragment", "page"])


@BOTH
def test_text_of_a_notebook_is_never_markup(page: bool) -> None:
    elements = Elements(everywhere(REPORT, HOSTILE).to_html(page))
    assert set(elements.tags) <= TAGS
    assert {name for name, _ in elements.attributes} <= ATTRIBUTES
    assert elements.open == []
    assert SHOWN in elements.words
    values = [v for name, v in elements.attributes if name not in ("title", "aria-label")]
    assert "onerror" not in " ".join(values)


@BOTH
def test_every_link_leads_somewhere_in_the_same_document(page: bool) -> None:
    elements = Elements(REPORT.to_html(page))
    ids, links = elements.all("id"), elements.all("href")
    assert len(ids) == len(set(ids)) == 5
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert all(re.fullmatch(r"hg[0-9a-f]{8}-\d+", one) for one in ids)


def test_two_reports_in_one_notebook_do_not_share_anchors() -> None:
    other = replace(REPORT, file="other.py")
    here, there = (set(Elements(r.to_html()).all("id")) for r in (REPORT, other))
    assert not here & there


@BOTH
def test_it_stands_alone(page: bool) -> None:
    html = REPORT.to_html(page)
    assert not re.search(r"\bhttps?:|\bsrc=|url\(|@import|<script|<link|<base", html)
    assert " style=" not in html


def test_a_notebook_shows_the_fragment() -> None:
    assert REPORT._repr_html_() == REPORT.to_html()


def test_the_page_allows_its_own_style_and_nothing_else() -> None:
    page = REPORT.to_html(page=True)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert page.startswith("<!DOCTYPE html>")
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page


def test_a_whole_card() -> None:
    assert part("card", REPORT, ROOT, "a-1") == (
        '<div class="finding wrong" id="a-1"><div class="head">'
        '<span class="mark" aria-hidden="true">✗</span><b>dh</b><span class="fact">line 9</span>'
        '<span class="fact">f32[32,27]</span><span class="cause">HG106</span></div>'
        '<div class="body"><div class="said"><pre><code>dh = h * dcounts</code></pre>'
        "<p>This has h where its derivative counts is due.</p>"
        '<div class="fix"><span>try:</span><pre><code>dh = counts * dcounts</code></pre>'
        "<span>(checked: exact)</span></div>"
        '<p class="quiet">to blame for 2 others: dpre, dW</p></div>'
        '<figure><svg role="img" width="28" height="28" viewBox="0 0 2 2" '
        'preserveAspectRatio="none"><title>Where dh is off: only column 1</title>'
        '<path class="l0" d="M0 0h1v1h-1zM0 1h1v1h-1z"></path>'
        '<path class="l5" d="M1 0h1v1h-1zM1 1h1v1h-1z"></path>'
        '<path class="grid" d="M0 1h2M1 0v2"></path></svg>'
        "<figcaption>off: only column 1</figcaption></figure></div></div>"
    )


def test_a_line_to_add_names_the_line_above_it() -> None:
    added = replace(ROOT, fix="dh += dq", fix_at=Place(4, 2), fix_adds=True, checked="rounding")
    said = Elements(part("card", REPORT, added, "a")).words
    assert "add below cell 2, line 4: dh += dq (checked: correct up to rounding) to" in said


def test_the_fragment_folds_what_needs_no_attention() -> None:
    html = REPORT.to_html()
    outside = re.sub(r"<details>.*?</details>", "", html, flags=re.DOTALL)
    assert Elements(outside).words == (
        "✗ softmax.py 5 gradients by hand: 1 exact, 1 of the wrong shape, 3 wrong (1 line to "
        "blame); 1 not written yet; 1 error in the file. ✗ dh line 9 f32[32,27] HG106 "
        "dh = h * dcounts This has h where its derivative counts is due. "
        "try: dh = counts * dcounts (checked: exact) to "
        "blame for 2 others: dpre, dW Where dh is off: only column 1 off: only column 1 "
        "Right values in the wrong shape ~ dz line 12 got f32[1,27], expected f32[27] "
        "dz = dpre.sum(0, keepdim=True) sum(0) corrects it."
    )
    assert re.findall(r"<summary>(.*?)</summary>", html) == [
        "Every gradient (5)",
        "The graph",
        "Notes",
        "Errors in the file",
    ]


def test_the_whole_table_of_gradients() -> None:
    page = REPORT.to_html(page=True)
    (table,) = re.findall(r"Every gradient</h2>(.*?)</table>", page, re.DOTALL)
    lines = [Elements(f"<tr>{line}").words for line in re.findall(r"<tr.*?>(.*?)</tr>", table)]
    assert lines == [
        "gradient where shape verdict off in off by R",
        "✓ dcounts line 8 f32[32,27] exact 0.0",
        "✗ dh line 9 f32[32,27] a line to blame only column 1 0.0123 > 1e6",
        "✗ dpre line 10 f32[32,27] inherits from dh 1 90,000",
        "✗ dW line 11 f32[32,27] inherits from dh it",
        "~ dz line 12 f32[1,27] right value, wrong shape",
    ]


def test_a_gradient_that_inherits_from_no_visible_line_is_not_folded() -> None:
    lost = row("h", "wrong", 9, blame="inherited", blamed_on=("dq",), max_abs_diff=0.5)
    html = Report("s.py", (lost,)).to_html()
    outside = re.sub(r"<details>.*?</details>", "", html, flags=re.DOTALL)
    assert "Wrong because of earlier lines gradient" in Elements(outside).words
    assert "✗ dh line 9 f32[32,27] inherits from dq 0.5" in Elements(outside).words


def test_a_gradient_that_is_right_by_accident_has_a_card() -> None:
    lucky = row("h", "exact", 9, blame="root", message="Correct only for these inputs.")
    html = Report("s.py", (lucky,)).to_html()
    assert Elements(html).words.startswith(
        "✓ s.py 1 gradient by hand: 1 exact. Right by accident ✓ dh line 9 f32[32,27] "
        "dh = h * dcounts Correct only for these inputs."
    )


def test_all_right_is_one_line() -> None:
    html = Report("s.py", (row("h", "rounding", 9),)).to_html()
    outside = re.sub(r"<details>.*?</details>", "", html, flags=re.DOTALL)
    assert Elements(outside).words == "✓ s.py 1 gradient by hand: 1 correct up to rounding."


@pytest.mark.parametrize(("page", "level"), [*product([False, True], HINTS)])
def test_each_level_of_detail_hides_the_next(page: bool, level: str) -> None:
    html = REPORT.hinted(level).to_html(page)  # type: ignore[arg-type]
    assert ("counts * dcounts" in html) == (level == "fix")
    assert ("checked" in html) == (level == "fix")
    assert ("derivative" in html) == (level != "where")
    assert ("HG106" in html) == (level != "where")
    assert ("sum(0) corrects" in html) == (level != "where")
    assert "only column 1" in html  # where it is off, at every level


def test_the_picture_marks_values_that_are_not_finite() -> None:
    html = part("picture", Spread(("x0",), "only column 0"), "dh")
    assert '<path class="lx" d="M0 0h1v1h-1z"></path>' in html


COLOURS = ("fg", "quiet", "red", "amber", "green", "link")
GROUNDS = ("bg", "code", "pink")


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("sheet", "block"), [("style.css", 0), ("style.css", 1), ("page.css", 0)], ids=str
)
def test_every_text_is_legible(sheet: str, block: int) -> None:
    """WCAG 2 requires a contrast of 4.5 to 1 at level AA."""
    found = re.findall(r"\{([^{}]*--fg[^{}]*)\}", style_sheet(sheet))[block]
    colours = dict(re.findall(r"--(\w+):\s*(?:var\([\w-]+, )?(#\w+)", found))
    for ground, colour in product(GROUNDS, COLOURS):
        dark, light = sorted((luminance(colours[ground]), luminance(colours[colour])))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ground, colour)


@BOTH
def test_no_table_if_nothing_is_written_yet(page: bool) -> None:
    html = Report("s.py", (Row("h", None, "missing"), Row("W", None, "missing"))).to_html(page)
    assert "<table" not in html
    assert "Not written yet: dh, dW" in Elements(html).words


def test_a_page_of_200_gradients_is_small() -> None:
    """A page with 200 wrong gradients takes less than a quarter of a megabyte."""
    picture = Spread(("5432101234" * 2,) * 24, "all of it")
    names = [f"node{i}" for i in range(200)]
    rows = tuple(
        row(name, "wrong", 9, blame="inherited", blamed_on=("dq",), spread=picture)
        for name in names
    )
    edges = tuple(pairwise(names)) + tuple(zip(names, names[3:], strict=False))
    report = Report("s.py", rows, edges=edges)
    assert len(report.to_html(page=True)) < 250_000
    assert len(report.to_html()) < 250_000
