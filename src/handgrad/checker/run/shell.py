# mypy: disable-error-code="no-untyped-call"
# (IPython is typed in part only)
"""Running the cells of a notebook in IPython, as Jupyter does, without a kernel.

Shell commands (`!ls`, `%pip install`, `%%bash`) are skipped and noted, plots are not drawn, and
every statement passes through the session that records the gradients.
"""

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from IPython.core.compilerop import CachingCompiler
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.utils.text import SList
from traitlets import Type
from traitlets.config import Config

from handgrad.checker.records import CellError, Note, Place
from handgrad.checker.run.cells import Cell, dedented
from handgrad.checker.run.deadline import TIMED_OUT
from handgrad.checker.run.failure import NO_INPUT, cell_name, describe
from handgrad.checker.run.imports import follow_own_modules
from handgrad.checker.run.onward import go_on
from handgrad.checker.run.output import Echo
from handgrad.checker.run.saved import difference, folded
from handgrad.checker.run.standin import NOT_INSTALLED, StandIns
from handgrad.checker.session import Session
from handgrad.text import one_line

PROGRAMS = {"bash", "cmd", "perl", "pypy", "python", "python2", "python3", "ruby", "script", "sh"}
INSTALLERS = {"conda", "mamba", "pip", "uv"}
NOT_RUN = PROGRAMS | INSTALLERS | {"sc", "sx", "system", "timeit"}
"""Magics that run other programs, or repeat code to time it: skipped and noted."""
NO_EFFECT = {"debug", "handgrad", "matplotlib", "pdb"}
"""Magics for interactive use."""
MISSING = re.compile(r"FileNotFoundError|ModuleNotFoundError|ImportError|OSError")
TIMING = re.compile(r"%%?timeit\b")
ENDED = "exit() ends the run: no cell after this one ran."
WRAPPER = re.compile(r"\A\s*%%(capture|prun|time)\b.*")
"""A cell magic around Python code. It is removed, as it would shift the line numbers."""


class _Compiler(CachingCompiler):
    """Names each cell's code after the cell, and keeps its text with all its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.reset_compiler_flags()  # with IPython's flags, `x = (` is only "incomplete input"
        self.text = ""
        self.offset = 0  # lines that IPython drops at the top of a cell

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        return cell_name(number)

    def cache(self, transformed_code: str, number: int = 0, raw_code: str | None = None) -> str:
        self.text = "\n" * self.offset + transformed_code
        name: str = super().cache(self.text, number, raw_code)
        return name


class NotebookShell(InteractiveShell):
    """An IPython shell whose magics are harmless and that prints no tracebacks."""

    compiler_class = Type(_Compiler)
    compile: _Compiler

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.skipped: dict[Place, str] = {}
        self.wanted: set[Place] = set()
        """The skipped commands whose output has a name."""
        self.ended: Place | None = None

    def _skip(self, command: str, frame: FrameType) -> Place:
        place = Place(frame.f_lineno, self.execution_count - 1)
        self.skipped[place] = one_line(command, 80)
        return place

    def system(self, cmd: str) -> None:
        self._skip(f"!{cmd}", sys._getframe(1))

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        self.wanted.add(self._skip(f"!{cmd}", sys._getframe(1)))
        return SList() if split else ""

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        frame = sys._getframe(1)
        if magic_name in NOT_RUN:
            self._skip(f"%{magic_name} {line}".rstrip(), frame)
            return None
        if magic_name in NO_EFFECT or (magic_name == "config" and "InlineBackend" in line):
            return None
        if magic_name == "load_ext" and line.strip() == "handgrad":
            return None
        with self._text_of(line, frame.f_lineno - 1):
            return super().run_line_magic(magic_name, line, _stack_depth + 1)

    @contextmanager
    def _text_of(self, line: str, offset: int) -> Iterator[None]:
        """Within this, the line that `%time y = f(x)` compiles has the line number of the magic."""
        outer = self.compile.text, self.compile.offset
        self.compile.text, self.compile.offset = "\n" * offset + line, offset
        try:
            yield
        finally:
            self.compile.text, self.compile.offset = outer

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        if magic_name in NOT_RUN:
            self._skip(f"%%{magic_name} {line}".rstrip(), sys._getframe(1))
            return None
        return super().run_cell_magic(magic_name, line, cell)

    def enable_matplotlib(self, gui: str | None = None) -> tuple[None, str]:
        return None, "agg"

    def ask_exit(self) -> None:
        """`exit()` in a cell."""
        self.ended = Place(sys._getframe(2).f_lineno, self.execution_count - 1)

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        """Show nothing: the error is in the report, and IPython's traceback takes a second."""

    showsyntaxerror = showindentationerror = showtraceback

    def _format_exception_for_storage(self, *args: Any, **kwargs: Any) -> list[str]:
        return []


class _Transformer:
    """IPython's hook on a cell's syntax tree. It keeps an error of ours to be raised later."""

    def __init__(self, shell: NotebookShell, session: Session) -> None:
        self._shell = shell
        self._session = session
        self.cell: int | None = None
        self.failure: Exception | None = None
        self.tree = ast.Module([], [])
        """The cell's tree with the hooks in it."""

    def visit(self, tree: ast.Module) -> ast.Module:
        compiler = self._shell.compile
        ast.increment_lineno(tree, compiler.offset)
        try:
            self.tree = self._session.transform(tree, self.cell, compiler.text)
            return self.tree
        except Exception as error:  # IPython would warn and run the cell without hooks
            self.failure = error
            return tree


class NotebookRunner:
    """Runs a notebook's cells in order."""

    def __init__(self, session: Session, path: Path, scratch: Path, output: Echo) -> None:
        """Start IPython. It writes to the folder `scratch`, not to the user's home."""
        config = Config({"HistoryManager": {"enabled": False}})
        self._shell = NotebookShell.instance(config=config, ipython_dir=str(scratch))
        self._transformer = _Transformer(self._shell, session)
        self._shell.ast_transformers = [self._transformer]  # type: ignore[list-item]  # IPython calls visit alone
        self._shell.user_ns["__handgrad__"] = session.hook
        self._output = output
        self._stand_ins = StandIns(path.parent)
        self._changed: list[Note] = []
        self._failed: int | None = None
        """The last cell that lacked a file or a module."""
        self._is_clean = True
        """Whether no cell failed for want of what this run leaves out."""
        sys.path.insert(0, str(path.parent))
        follow_own_modules(session, path.parent)

    @property
    def stopped(self) -> bool:
        """Whether a cell has called `exit()`."""
        return self._shell.ended is not None

    def run(self, cell: Cell) -> list[CellError]:
        """Run one cell and return what it raised, with what raised below."""
        assert cell.number is not None
        source = dedented(WRAPPER.sub("", cell.source))
        compiler = self._shell.compile
        self._transformer.tree = ast.Module([], [])
        compiler.offset = _blank_lines(source)
        self._transformer.cell = self._shell.execution_count = cell.number
        self._stand_ins.add(cell_name(cell.number), source)
        result = self._shell.run_cell(source, store_history=True)
        _close_figures()
        if self._transformer.failure is not None:
            raise self._transformer.failure
        error = _error(result, cell.number, compiler.offset)
        printed = self._output.take()
        if error is not None:
            blamed = self._stand_ins.blamed(error)
            self._is_clean = self._is_clean and not self._is_ours(blamed)
            self._failed = cell.number if self._lacks_file(error) else self._failed
            error = blamed
        changed = difference(cell, printed, error) if self._is_clean or error is None else None
        self._changed += [changed] if changed else []
        if error is None:
            return []
        if not isinstance(result.error_in_exec, Exception):
            return [error]
        names, name = self._shell.user_ns, cell_name(cell.number)
        return [error, *go_on(self._transformer.tree, error, names, name)]

    def _is_ours(self, error: CellError) -> bool:
        """Tell whether an error may come of what this run leaves out."""
        left_out = error.error.startswith(TIMED_OUT) or NO_INPUT in error.error
        left_out = left_out or NOT_INSTALLED in error.error
        return left_out or self._lacks_file(error) or bool(self._shell.wanted)

    def _lacks_file(self, error: CellError) -> bool:
        """Tell whether a skipped command may be the reason of an error."""
        return MISSING.match(error.error) is not None and bool(self._effective())

    def _effective(self, last: int | None = None) -> list[Place]:
        """Return the skipped commands that may have had an effect, so far or up to a cell."""
        return [
            place
            for place, text in self._shell.skipped.items()
            if not TIMING.match(text)
            if last is None or not isinstance(place.cell, int) or place.cell <= last
        ]

    def notes(self) -> list[Note]:
        """Return notes on skipped lines and on differences from the saved output."""
        wanted = set(self._shell.wanted)
        if self._failed is not None:
            wanted |= set(self._effective(self._failed))
        skipped = [
            Note("HG280", f"skipped: {command}", place=place)
            for place, command in self._shell.skipped.items()
            if place in wanted
        ]
        end = self._shell.ended
        ended = [Note("HG281", ENDED, place=end)] if end else []
        return [*skipped, *ended, *self._stand_ins.notes(), *folded(self._changed)]


def _blank_lines(source: str) -> int:
    """Return the number of blank lines at the top of a cell, which IPython does not count."""
    lines = source.split("\n")
    return next((n for n, line in enumerate(lines) if line.strip()), 0)


def _error(result: ExecutionResult, cell: int, offset: int) -> CellError | None:
    """Return what a cell raised, with the line number as the user counts it."""
    if result.error_in_exec is not None:
        return describe(result.error_in_exec, cell_name(cell), cell)
    if result.error_before_exec is None:
        return None
    error = describe(result.error_before_exec, cell_name(cell), cell)
    return error if error.line is None else replace(error, line=error.line + offset)


def _close_figures() -> None:
    """Close the cell's figures, as Jupyter does; open figures would fill the memory."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
