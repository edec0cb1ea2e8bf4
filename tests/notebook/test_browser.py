"""The verdicts below a cell, in a real browser."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from browser import Browser, screenshot
from checker.report.sample import REPORT, everywhere
from checker.report.test_browser import ALL, HOST, assert_harmless
from handgrad.notebook.verdicts import Verdicts
from notebook.conftest import FORWARD, RIGHT, WRONG, Kernel
from notebook.test_verdicts import OLD

MIXED = replace(REPORT, rows=(*REPORT.rows, *OLD))
NARROW = HOST.replace("<body>", "<body style='width: 360px; margin: 0'>").replace(
    "{}", "<div id='cell' style='overflow: hidden'>{}</div>"
)
PROBE = """<script>
const cell = document.getElementById("cell");
document.title = String(cell.scrollWidth <= cell.clientWidth);
</script>"""


def test_nothing_of_a_notebook_runs(chromium: Browser) -> None:
    html = Verdicts(everywhere(MIXED, ALL), "fix").html()
    assert_harmless(chromium(HOST.format(html)))


def test_a_name_that_is_a_script_in_a_kernel(chromium: Browser, notebook: Kernel) -> None:
    """Follow a name from the source of a cell to the page."""
    planted = "'<script>document.title = 1</script>'"
    notebook.all(["%handgrad fix", FORWARD])
    (shown,) = notebook.run(f"dh = 3 * h * len({planted}[:1])").shown
    document = chromium(HOST.format(shown["text/html"]))
    assert planted in unescape(document)
    assert "<title>ours</title>" in document


def test_it_fits_into_a_narrow_window(chromium: Browser) -> None:
    long = everywhere(MIXED, "a_name_without_end_" * 20)
    page = NARROW.format(Verdicts(long, "fix").html() + PROBE)
    assert "<title>true</title>" in chromium(page)
    wide = page.replace("overflow-x: auto", "overflow-x: visible")
    assert "<title>false</title>" in chromium(wide)  # the probe sees it


COLOURS = """<script>
const seen = s => getComputedStyle(document.querySelector(s)).color;
document.title = [".handgrad-cell > summary .mark", ".handgrad-cell > summary"].map(seen).join();
</script>"""


@pytest.mark.parametrize(
    ("theme", "colours"),
    [
        ("true", "rgb(180, 35, 24),rgb(17, 17, 17)"),
        ("false", "rgb(255, 144, 136),rgb(238, 238, 238)"),
    ],
)
def test_its_line_is_legible_in_both_themes(chromium: Browser, theme: str, colours: str) -> None:
    font = "#111" if theme == "true" else "#eee"
    html = Verdicts(REPORT, "fix").html() + COLOURS
    page = f"<body data-jp-theme-light={theme} style='--jp-content-font-color1: {font}'>{html}"
    assert f"<title>{colours}</title>" in chromium(page)


def test_the_picture_is_drawn(chromium: Browser, notebook: Kernel, tmp_path: Path) -> None:
    """The picture is red where the gradient is wrong."""
    html = notebook.all([FORWARD, RIGHT, WRONG])[-1].shown[0]["text/html"]
    size = "document.querySelector('figure svg').getBoundingClientRect()"
    probe = f"<script>const r = {size}; document.title = [r.width > 9, r.height > 9]</script>"
    assert "<title>true,true</title>" in chromium(HOST.format(html + probe))
    screenshot(chromium, HOST.format(html), tmp_path / "cell.png", 900, 500)
    assert re.match(rb"\x89PNG", (tmp_path / "cell.png").read_bytes())
