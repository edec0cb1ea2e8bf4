"""A class's reports as a folder of pages: one for each file, and an index."""

import re
from collections.abc import Sequence
from pathlib import Path

from handgrad.checker.report import many, table
from handgrad.checker.report.file_result import FileResult
from handgrad.checker.report.templates import render, style_sheet
from handgrad.errors import RunError
from handgrad.files import write_atomic

LONGEST = 60  # characters of a file's name that are used in the name of its page


def write_pages(folder: Path, results: Sequence[FileResult]) -> None:
    """Write the pages to `folder`, and last the index.html that links to them.

    Raises RunError, one line, if the folder cannot be created or written to.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot create the folder {folder}: {error.strerror}") from error
    for result in results:
        if result.report is not None:
            write_atomic(folder / page_name(result), result.report.to_html(page=True).encode())
    write_atomic(folder / "index.html", index(results).encode())


def page_name(result: FileResult) -> str:
    """Return a name of plain letters, unique even if two files have the same name."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", Path(result.file).name)[:LONGEST]
    return f"{result.number + 1:03d}-{plain}.html"


def index(results: Sequence[FileResult]) -> str:
    """Return the index: a table of all files, each with a link to its page."""
    rows = [
        {
            "file": result.file,
            "page": page_name(result) if result.report is not None else None,
            "status": result.status,
            "counts": table.counts(result),
            "remark": table.remark(result),
        }
        for result in results
    ]
    return render(
        "index.html",
        style=style_sheet("index.css"),
        summary=many.summary(results),
        often=many.most_blamed(results),
        heads=table.HEADS,
        counted=table.COUNTED,
        rows=rows,
    )
