"""What a checked file holds, read without running any of it.

A file is a list of cells: a script is one cell without a number, a notebook has the number that
Jupyter would show for each (`In [4]`) after "Restart Kernel and Run All Cells".
"""

import ast
import io
import os
import tokenize
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handgrad.errors import CheckError
from handgrad.text import one_line, printable

KINDS: dict[str, Literal["notebook", "script"]] = {".ipynb": "notebook", ".py": "script"}
WANTED = "handgrad takes a notebook (.ipynb) or a script (.py)"


@dataclass(frozen=True)
class Cell:
    """One piece of code, with the text and the error that the notebook's author got from it."""

    number: int | None
    source: str
    saved: str = ""
    saved_error: str | None = None


@dataclass(frozen=True)
class Source:
    """A file to check: `shown` is its path as the user typed it, `path` the absolute one."""

    shown: str
    path: Path
    kind: Literal["notebook", "script"]
    cells: tuple[Cell, ...]


def read_source(file: str | Path) -> Source:
    """Read a notebook or a script. Raises CheckError, one line, where it is neither."""
    shown = printable(str(file))
    path = Path(os.path.abspath(file))  # a symlink stays: its own folder is where Jupyter runs it
    kind = KINDS.get(path.suffix.lower())
    _require_file(shown, path)
    if kind is None:
        raise CheckError(f"{shown}: neither a notebook nor a script; {WANTED}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckError(f"{shown}: cannot be read: {error.strerror}") from error
    if not content.strip():
        raise CheckError(f"{shown}: empty, nothing to check")
    if kind == "script":
        return Source(shown, path, kind, (_script_cell(shown, content),))
    from handgrad.checker.run.notebook import read_cells

    return Source(shown, path, kind, read_cells(shown, content))


def _require_file(shown: str, path: Path) -> None:
    if path.is_dir():
        raise CheckError(f"{shown}: a folder; {WANTED}")
    if not path.exists():
        raise CheckError(f"{shown}: no such file; looked for {printable(str(path))}")
    if not path.is_file():
        raise CheckError(f"{shown}: no regular file; {WANTED}")


def _script_cell(shown: str, content: bytes) -> Cell:
    """Decode a script as Python does (BOM, coding line) and make sure that it parses."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise CheckError(f"{shown}: cannot be read as Python: {one_line(str(error))}") from error
    problem = parse_problem(text)
    if problem is not None:
        line, what = problem
        where = shown if line is None else f"{shown}:{line}"
        raise CheckError(f"{where}: does not parse: {what}")
    return Cell(None, text)


def parse_problem(source: str) -> tuple[int | None, str] | None:
    """Why `source` is no Python, as (line, reason), or None where it is."""
    try:
        parse(source)
    except SyntaxError as error:
        return error.lineno, one_line(error.msg)
    except (ValueError, RecursionError, MemoryError) as error:
        # NUL bytes raise ValueError before Python 3.11.4, absurdly nested code the other two.
        return None, one_line(str(error)) or type(error).__name__
    return None


def parse(source: str) -> ast.Module:
    """Parse without the warnings about the user's style that Python would print meanwhile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def require_hand_gradients(
    shown: str, cells: Iterable[Cell], has_hand_gradients: Callable[[str], bool]
) -> None:
    """Raise CheckError where no gradient by hand stands in the file, so that nothing need run.

    A file that autograd alone trains may run for hours before this would come out.
    """
    if not has_hand_gradients("\n".join(cell.source for cell in cells)):
        raise CheckError(
            f"{shown}: nothing to check: no gradient by hand in it, such as dh for a tensor h."
            " Yours has another name? --pair NAME=TENSOR"
        )
