"""A file as a list of cells, and how a cell is parsed.

A script is one cell without a number. In a notebook each cell has the number that Jupyter shows
for it (`In [4]`) after "Restart Kernel and Run All Cells".
"""

import ast
import contextlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handgrad.text import one_line

TRIES = 20
"""Python 3.11 counts the depth of trees for all threads together, and may lose count: SystemError
(python/cpython#106905)."""


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(TRIES - 1):
            with contextlib.suppress(SystemError):
                return ast.parse(source)
        return ast.parse(source)


def dedented(source: str) -> str:
    """Return a cell without the indentation of its first line, as older versions of IPython run it.

    Lines that are not indented, such as comments, stay as they are.
    """
    first = next((line for line in source.split("\n") if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    if not indent or parse_problem(source) is None:
        return source
    return "\n".join(line.removeprefix(indent) for line in source.split("\n"))


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
