"""Malicious text in a report, in a real browser: it must not run."""

import pytest

from browser import Browser
from checker.report.sample import REPORT, Elements, everywhere
from checker.report.test_html import TAGS

DONE = "document.title='planted';document.body.id='planted'"
PLANTED = (
    f"<script>{DONE}</script>",
    f'<img src=x onerror="{DONE}">',
    f"</style></title></pre><script>{DONE}</script>",
    f"\" onmouseover={DONE} autofocus onfocus={DONE} x='",
    f"<svg onload={DONE}>",
    f"javascript:{DONE}",
    f']]>--><a href="javascript:{DONE}">',
    f'<iframe srcdoc="<script>parent.{DONE}</script>">',
)
ALL = " ".join(PLANTED)
HOST = "<!DOCTYPE html><html><head><title>ours</title></head><body>{}</body></html>"


@pytest.mark.parametrize("planted", PLANTED[:3])
def test_the_browser_runs_unescaped_scripts(chromium: Browser, planted: str) -> None:
    """The tests below can fail: inserted unescaped, these scripts run."""
    assert 'id="planted"' in chromium(HOST.format(planted))


def test_nothing_runs_in_the_page(chromium: Browser) -> None:
    document = chromium(everywhere(REPORT, ALL).to_html(page=True))
    assert_harmless(document)


def test_nothing_runs_in_the_fragment_on_another_page(chromium: Browser) -> None:
    """A notebook has no policy that forbids scripts."""
    document = chromium(HOST.format(everywhere(REPORT, ALL).to_html()))
    assert_harmless(document)
    assert "<title>ours</title>" in document


def assert_harmless(document: str) -> None:
    assert 'id="planted"' not in document
    assert "<title>planted" not in document
    elements = Elements(document)
    assert set(elements.tags) <= TAGS
    assert not [name for name, _ in elements.attributes if name.startswith("on")]
    assert all(link.startswith("#") for link in elements.all("href"))
    assert elements.text.count("document.title='planted'") > 50


def test_the_policy_of_the_page_allows_its_style(chromium: Browser, tmp_path) -> None:
    """If the browser refused the style, only a person would notice."""
    page = REPORT.to_html(page=True)
    probe = "<script>document.body.id = getComputedStyle(document.body).margin</script></body>"
    loose = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    assert 'id="0px"' in chromium(loose.replace("</body>", probe))
    other = loose.replace("margin: 0;", "margin: 1px;", 1).replace("</body>", probe)
    assert 'id="8px"' in chromium(other)  # not the style that the policy names
