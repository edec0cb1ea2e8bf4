"""A file as a list of cells, and how a cell is parsed.

A script is one cell without a number. In a notebook each cell has the number that Jupyter shows
for it (`In [4]`) after "Restart Kernel and Run All Cells".
"""

import ast
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handgrad.text import one_line

_PARSING = threading.Lock()
"""Python 3.11 counts the depth of trees for all threads together: SystemError (gh-106905)."""


@dataclass(frozen=True)
class Cell:
    """One piece of code, with the output and the error that were saved with it."""

    number: int | None
    source: str
    saved: str = ""
    saved_error: str | None = None


@dataclass(frozen=True)
class Source:
    """A file to check. `shown` is its path as the user typed it, `path` is the absolute path."""

    shown: str
    path: Path
    kind: Literal["notebook", "script"]
    cells: tuple[Cell, ...]
    module: str | None = None
    """The name that it runs under with `python -m`; None for a file."""

    @property
    def folder(self) -> Path:
        """The folder that it runs in."""
        return self.path.parent if self.module is None else Path.cwd()


def parse(source: str) -> ast.Module:
    """Parse `source` without the warnings that Python would print about the user's style."""
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def parse_problem(source: str) -> tuple[int | None, str] | None:
    """Return the line and the reason if `source` is not valid Python, else None."""
    try:
        parse(source)
    except SyntaxError as error:
        return error.lineno, one_line(error.msg)
    except (ValueError, RecursionError, MemoryError) as error:
        # NUL bytes raise ValueError before Python 3.11.4, very deep nesting the other two.
        return None, one_line(str(error)) or type(error).__name__
    return None
