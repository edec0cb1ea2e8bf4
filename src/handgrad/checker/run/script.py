"""Running a script as `python script.py` does."""

import sys
from pathlib import Path
from types import ModuleType

from handgrad.checker.records import CellError, Note
from handgrad.checker.run.cells import Cell, parse
from handgrad.checker.run.failure import describe
from handgrad.checker.run.imports import follow_own_modules
from handgrad.checker.session import Session


class ScriptRunner:
    """Runs a script's one cell as the module `__main__`."""

    stopped = False  # there is no second cell to leave out

    def __init__(self, session: Session, path: Path) -> None:
        self._session = session
        self._path = str(path)
        sys.argv = [self._path]
        sys.path.insert(0, str(path.parent))
        follow_own_modules(session.hook)

    def run(self, cell: Cell) -> CellError | None:
        """Run the script and return what it raised, if anything; `sys.exit(0)` is no error."""
        tree = self._session.transform(parse(cell.source), None, cell.source)
        module = ModuleType("__main__")
        module.__dict__.update(__file__=self._path, __handgrad__=self._session.hook)
        sys.modules["__main__"] = module  # what a script pickles or spawns looks for it there
        try:
            exec(compile(tree, self._path, "exec", dont_inherit=True), module.__dict__)
        except SystemExit as leave:
            return describe(leave, self._path, None) if leave.code else None
        except BaseException as error:
            return describe(error, self._path, None)
        return None

    def notes(self) -> list[Note]:
        """Return no notes: every line of a script runs."""
        return []
