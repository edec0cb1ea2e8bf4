"""Running a script as `python script.py` does, or a module as `python -m module` does."""

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from handgrad.checker.records import CellError, Note
from handgrad.checker.run.cells import Cell, parse
from handgrad.checker.run.failure import describe
from handgrad.checker.run.imports import follow_own_modules
from handgrad.checker.run.onward import go_on
from handgrad.checker.run.standin import StandIns
from handgrad.checker.session import Session


class ScriptRunner:
    """Runs a script's one cell as the module `__main__`."""

    stopped = False  # there is no second cell to leave out

    def __init__(
        self, session: Session, path: Path, arguments: Sequence[str], name: str | None = None
    ) -> None:
        """Set up what the script sees; `name` is that of a module."""
        self._session = session
        self._path = str(path)
        self._name = name
        self._stand_ins = StandIns(path.parent)
        sys.argv = [self._path, *arguments]
        sys.path.insert(0, os.getcwd() if name else str(path.parent))
        follow_own_modules(session, path.parent)

    def run(self, cell: Cell) -> list[CellError]:
        """Run the script and return what it raised; `sys.exit(0)` is no error."""
        tree = self._session.transform(parse(cell.source), None, cell.source)
        module = ModuleType("__main__")
        module.__dict__.update(__file__=self._path, __handgrad__=self._session.hook)
        sys.modules["__main__"] = module  # what a script pickles or spawns looks for it there
        self._stand_ins.add(self._path, cell.source)
        try:
            if self._name is not None:  # imports its packages, as relative imports need them
                module.__spec__ = find_spec(self._name)
                module.__package__ = self._name.rpartition(".")[0]
            exec(compile(tree, self._path, "exec", dont_inherit=True), module.__dict__)
        except SystemExit as leave:
            return [describe(leave, self._path, None)] if leave.code else []
        except BaseException as error:
            described = self._stand_ins.blamed(describe(error, self._path, None))
            if not isinstance(error, Exception):
                return [described]
            return [described, *go_on(tree, described, module.__dict__, self._path)]
        return []

    def notes(self) -> list[Note]:
        """Return notes on imports that are missing: every line of a script runs."""
        return self._stand_ins.notes()
