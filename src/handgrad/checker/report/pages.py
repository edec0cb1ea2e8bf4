"""A class's reports as a folder of pages: one a file, and an index of them."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from handgrad.checker.report import many, table
from handgrad.checker.report.file_result import FileResult
from handgrad.errors import RunError
from handgrad.files import write_atomic

INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>handgrad: {summary}</title>
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ padding: 0.3em 1em 0.3em 0; text-align: left; vertical-align: top; }}
td, thead th {{ border-bottom: 1px solid #8884; }}
td {{ overflow-wrap: anywhere; }}
.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
.ok, .unfinished {{ color: #197b30; }}
.wrong {{ color: #c33; }}
.raised {{ color: #960; }}
</style>
</head>
<body>
<p><b>{summary}</b><br>{often}</p>
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""
LONGEST = 60  # characters of a file's name in that of its page


def write_pages(folder: Path, checked: Sequence[FileResult]) -> None:
    """Write `folder`/index.html and the pages that it links to; the index last.

    Raises RunError, one line, where the folder cannot be made or written to.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror}") from error
    for one in checked:
        if one.report is not None:
            write_atomic(folder / page_name(one), one.report.to_html(page=True).encode())
    write_atomic(folder / "index.html", index(checked).encode())


def page_name(one: FileResult) -> str:
    """A name of plain letters, which is no other file's even where two files share theirs."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", Path(one.file).name)[:LONGEST]
    return f"{one.number + 1:03d}-{plain}.html"


def index(checked: Sequence[FileResult]) -> str:
    """The index: the table of all files, each linked to its page. No text of theirs can run."""
    heads = "".join(_cell("th", escape(head), _is_count(head)) for head in table.HEADS)
    rows = "\n".join(f"<tr>{_row(one)}</tr>" for one in checked)
    return INDEX.format(
        summary=escape(many.summary(checked)),
        often=escape(many.most_blamed(checked)),
        heads=heads,
        rows=rows,
    )


def _row(one: FileResult) -> str:
    name = escape(one.file)
    if one.report is not None:
        name = f'<a href="{escape(page_name(one))}">{name}</a>'
    status = f'<span class="{one.status}">{one.status}</span>'
    cells = [
        name,
        status,
        *(escape(number) for number in table.counts(one)),
        escape(table.said(one)),
    ]
    return "".join(
        _cell("td", cell, _is_count(head)) for cell, head in zip(cells, table.HEADS, strict=True)
    )


def _is_count(head: str) -> bool:
    return head in table.COUNTED


def _cell(tag: str, content: str, is_count: bool) -> str:
    attribute = ' class="n"' if is_count else ""
    return f"<{tag}{attribute}>{content}</{tag}>"
