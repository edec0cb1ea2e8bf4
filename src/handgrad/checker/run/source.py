"""Reading a file to check, without running any of it."""

import io
import os
import tokenize
from pathlib import Path
from typing import Literal

from handgrad.checker.run.cells import Cell, Source, parse_problem
from handgrad.checker.run.notebook import read_cells
from handgrad.errors import CheckError
from handgrad.text import one_line, printable

KINDS: dict[str, Literal["notebook", "script"]] = {".ipynb": "notebook", ".py": "script"}
WANTED = "expected a notebook (.ipynb) or a script (.py)"


def read_source(file: str | Path) -> Source:
    """Read a notebook or a script. Raises CheckError if the file is neither."""
    shown = printable(str(file))
    path = Path(os.path.abspath(file))  # keeps a symlink: Jupyter runs the file in its folder
    kind = KINDS.get(path.suffix.lower())
    _require_file(shown, path)
    if kind is None:
        raise CheckError(f"{shown}: not a notebook or a script; {WANTED}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckError(f"{shown}: cannot be read: {error.strerror}") from error
    if not content.strip():
        raise CheckError(f"{shown}: the file is empty")
    if kind == "script":
        return Source(shown, path, kind, (_script_cell(shown, content),))
    return Source(shown, path, kind, read_cells(shown, content))


def _require_file(shown: str, path: Path) -> None:
    if path.is_dir():
        raise CheckError(f"{shown}: is a folder; {WANTED}")
    if not path.exists():
        raise CheckError(f"{shown}: no such file; looked for {printable(str(path))}")
    if not path.is_file():
        raise CheckError(f"{shown}: not a regular file; {WANTED}")


def _script_cell(shown: str, content: bytes) -> Cell:
    """Decode a script as Python does (BOM, coding line), and require that it parses."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise CheckError(f"{shown}: cannot be read as Python: {one_line(str(error))}") from error
    problem = parse_problem(text)
    if problem is not None:
        line, reason = problem
        where = shown if line is None else f"{shown}:{line}"
        raise CheckError(f"{where}: not valid Python: {reason}")
    return Cell(None, text)
