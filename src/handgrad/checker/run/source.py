"""Reading a file to check, without running any of it."""

import io
import os
import sys
import tokenize
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Literal

from handgrad.checker.run.cells import Cell, Source, parse_problem
from handgrad.checker.run.notebook import read_cells
from handgrad.errors import CheckError
from handgrad.text import one_line, printable

KINDS: dict[str, Literal["notebook", "script"]] = {".ipynb": "notebook", ".py": "script"}
WANTED = "expected a notebook (.ipynb) or a script (.py)"


@dataclass(frozen=True)
class Module:
    """A module to run as `python -m NAME` does, from the current folder."""

    name: str


def read_source(file: str | Path | Module) -> Source:
    """Read a notebook or a script. Raises CheckError if the file is neither."""
    if isinstance(file, Module):
        return _read_module(file.name)
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


def _read_module(name: str) -> Source:
    """Find a module without importing its packages, whose code would run here."""
    here, where = str(Path.cwd()), [str(Path.cwd()), *sys.path]
    path: str | None = None
    parts = name.split(".")
    for n, part in enumerate(parts, 1):
        spec = PathFinder.find_spec(part, where)
        if spec is None:
            missing = ".".join(parts[:n])
            raise CheckError(f"-m {name}: no module named {missing}; looked in {here} and sys.path")
        path, where = spec.origin, list(spec.submodule_search_locations or ())
    if where:  # a package: its __main__ runs
        spec = PathFinder.find_spec("__main__", where)
        path = spec.origin if spec else None
        name = f"{name}.__main__"
    if path is None or not path.endswith(".py"):
        raise CheckError(f"-m {name}: no Python source to run")
    shown = printable(os.path.relpath(path))
    return replace(read_source(path), shown=shown, module=name)


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
