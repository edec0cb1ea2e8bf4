"""Reading notebooks: format 4, format 3 by upgrading it, Python only."""

import json
import warnings
from typing import Any

from handgrad.checker.run.cells import Cell
from handgrad.errors import CheckError
from handgrad.text import one_line

FORMATS = (3, 4)


def read_cells(shown: str, content: bytes) -> tuple[Cell, ...]:
    """Return the code cells of a notebook that are not blank, numbered as in Jupyter.

    Raises CheckError if `content` is not a Python notebook of format 3 or 4.
    """
    filled = [cell for cell in read_raw(shown, content) if is_filled_code(cell)]
    if not filled:
        raise CheckError(f"{shown}: nothing to check: its cells contain no code")
    return tuple(
        Cell(number, text_of(cell.get("source")), *_saved(cell))
        for number, cell in enumerate(filled, 1)
    )


def read_raw(shown: str, content: bytes) -> list[dict[str, Any]]:
    """Return all cells of a notebook, of any type, in format 4.

    Raises CheckError if `content` is not a Python notebook of format 3 or 4.
    """
    notebook = _parse(shown, content)
    version = notebook["nbformat"]
    if version not in FORMATS:
        raise CheckError(
            f"{shown}: notebook format {version} is not supported (3 and 4 are)."
            " Open it in Jupyter and save it again"
        )
    if version == 3:
        notebook = _upgraded(shown, content)
    _require_python(shown, notebook)
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise CheckError(f'{shown}: not a notebook: it has no list "cells"')
    return [cell for cell in cells if isinstance(cell, dict)]


def is_filled_code(cell: dict[str, Any]) -> bool:
    """Return whether Jupyter gives the cell a number."""
    return cell.get("cell_type") == "code" and bool(text_of(cell.get("source")).strip())


def _parse(shown: str, content: bytes) -> dict[str, Any]:
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        message = f"{shown}: not a notebook: byte {error.start + 1} is not valid UTF-8"
        raise CheckError(message) from error
    except json.JSONDecodeError as error:
        raise CheckError(
            f"{shown}:{error.lineno}: not a notebook, or damaged: {error.msg}"
            f" at column {error.colno}"
        ) from error
    except RecursionError as error:
        raise CheckError(f"{shown}: not a notebook: its JSON is nested too deeply") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        raise CheckError(f'{shown}: not a notebook: its JSON has no "nbformat"')
    return notebook


def _upgraded(shown: str, content: bytes) -> dict[str, Any]:
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about cell ids, which format 3 does not have
            text = content.decode("utf-8-sig")
            return nbformat.reads(text, as_version=4)  # type: ignore[no-any-return, no-untyped-call]
    except Exception as error:  # nbformat raises anything for a malformed notebook
        raise CheckError(
            f"{shown}: cannot be upgraded from notebook format 3:"
            f" {one_line(f'{type(error).__name__}: {error}')}"
        ) from error


def _require_python(shown: str, notebook: dict[str, Any]) -> None:
    metadata = notebook.get("metadata")
    for key, name in (("kernelspec", "language"), ("language_info", "name")):
        entry = metadata.get(key) if isinstance(metadata, dict) else None
        language = entry.get(name) if isinstance(entry, dict) else None
        if isinstance(language, str) and language.lower() not in ("", "python", "ipython"):
            raise CheckError(
                f"{shown}: the notebook is in {one_line(language)}; handgrad check runs Python only"
            )


def text_of(value: Any) -> str:
    """Return a notebook's text, which is stored as a string or as a list of lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _saved(cell: dict[str, Any]) -> tuple[str, str | None]:
    """Return the text that the saved cell printed and displayed, and the name of its error."""
    listed = cell.get("outputs")
    outputs = [o for o in listed if isinstance(o, dict)] if isinstance(listed, list) else []
    raised = [text_of(o.get("ename")) for o in outputs if o.get("output_type") == "error"]
    return "".join(map(_output_text, outputs)), raised[0] if raised else None


def _output_text(output: dict[str, Any]) -> str:
    if output.get("output_type") == "stream":
        return text_of(output.get("text")) if output.get("name") == "stdout" else ""
    data = output.get("data")
    return text_of(data.get("text/plain")) + "\n" if isinstance(data, dict) else ""
