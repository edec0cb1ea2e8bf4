"""Tables of benchmarks in pages of the docs."""

from pathlib import Path


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two marks in a page. Raises ValueError if a mark is missing."""
    head, found, rest = page.read_text().partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no {begin} followed by {end}")
    page.write_text(f"{head}{begin}\n{text}\n{end}{tail}")
