"""A real browser without a screen: what a page becomes when it is opened.

`from browser import chromium` in a conftest.py makes the fixture.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SECONDS = 60
"""A page takes about one; this is for machines that are busy."""

Browser = Callable[..., str]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """`chromium(html)` opens a page and returns the document as it stands once scripts have run.

    Further arguments are the browser's own, such as `--screenshot=FILE`.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH")

    def opened(html: str, *more: str, anchor: str = "") -> str:
        folder = tmp_path_factory.mktemp("browser")
        page = folder / "page.html"
        page.write_text(html, "utf-8")
        profile = f"--user-data-dir={folder / 'profile'}"
        url = page.as_uri() + anchor
        done = subprocess.run(
            [program, *FLAGS, profile, "--dump-dom", *more, url],
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
        shutil.rmtree(folder / "profile", ignore_errors=True)
        return done.stdout.decode()

    return opened


def screenshot(chromium: Browser, html: str, file: Path, width: int, height: int) -> None:
    """Write a PNG of a page."""
    chromium(html, f"--screenshot={file}", f"--window-size={width},{height}")
