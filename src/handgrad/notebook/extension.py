# mypy: disable-error-code="no-untyped-call"
# (IPython is typed in part only)
"""What IPython calls: before and after each cell, and on each cell's syntax tree.

An error of ours must not reach the user's cell: it is printed as one line, once, and the cell runs
as it would without handgrad.
"""

import ast
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from handgrad.checker.record.entering import uses_numpy
from handgrad.checker.record.instrument import Instrumenter, Statement
from handgrad.checker.record.targets import HOOK
from handgrad.notebook import magic, trees
from handgrad.notebook.hook import Hook
from handgrad.notebook.journal import Journal
from handgrad.notebook.source import CellText, TreePlace, is_timing, line_of

if TYPE_CHECKING:
    from handgrad.notebook.watch import Watch

OFF = re.compile(r"\s*%%handgrad\s+off\s*$")
LASTING = re.compile(r"\b(def|class)\b")
BROKEN = "handgrad could not watch this cell: {}. The cell itself ran normally."


class Extension:
    """handgrad in one shell. `enter` it to start, `leave` it to stop."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.on = True
        self.pairs: dict[str, str] = {}
        self.journal = Journal(shell.user_ns)
        self.watch: Watch | None = None
        self.hook = Hook()
        self._statements: list[Statement] = []
        """The statements of the cells that ran before torch was imported."""
        self._running: list[tuple[Any, CellText]] = []
        self._count = 0
        """IPython's execution count when the outermost cell started."""
        self._is_whole = False
        """Whether the next tree is that of the whole cell."""
        self._lasting = False
        self._first = 0
        self._broken: set[str] = set()

    def enter(self) -> None:
        """Hook into the shell."""
        self.shell.events.register("pre_run_cell", self._before)
        self.shell.events.register("post_run_cell", self._ran)
        self.shell.ast_transformers.append(self)
        self.shell.input_transformers_cleanup.append(_uncovered)
        self.shell.register_magic_function(self._magic, "line", "handgrad")
        self.hook.install(self.shell.user_ns)
        self.shell.user_ns_hidden[HOOK] = self.hook
        self._start_recording()

    def leave(self) -> None:
        """Leave the shell as it was."""
        self._stop()
        self.shell.events.unregister("pre_run_cell", self._before)
        self.shell.events.unregister("post_run_cell", self._ran)
        self.shell.ast_transformers.remove(self)
        self.shell.input_transformers_cleanup.remove(_uncovered)
        self.shell.magics_manager.magics["line"].pop("handgrad", None)
        self.hook.uninstall(self.shell.user_ns)
        self.shell.user_ns_hidden.pop(HOOK, None)

    def _before(self, info: Any) -> None:
        """Prepare for a cell that IPython is about to run, or one inside another (`%%capture`)."""
        with self._guarded():
            if self._running and self.shell.execution_count != self._count:
                self._stop()  # IPython never reported the end of an earlier cell
            raw = info.raw_cell or ""
            if not self._running and not self._is_watched(raw):
                return
            text = getattr(info, "transformed_cell", None) or self.shell.transform_cell(raw)
            number = self._number()
            self._running.append((info, CellText(number, raw, text)))
            if len(self._running) == 1:
                self._count = self.shell.execution_count
                self._start(number)

    def _number(self) -> int:
        """Return the next cell's number. IPython's versions count before or after the cell runs."""
        inputs = len(self.shell.user_ns["In"])
        return max(1, min(int(self.shell.execution_count), inputs))

    def _is_watched(self, raw: str) -> bool:
        main = threading.current_thread() is threading.main_thread()
        return self.on and main and not OFF.match(raw.split("\n", 1)[0])

    def _start(self, number: int) -> None:
        self.hook.install(self.shell.user_ns)  # `%reset` removes it
        self._is_whole, self._lasting = True, False
        self._start_recording()
        self._first = len(self._known_statements)
        if self.watch is not None:
            self.watch.enter(number)

    def _start_recording(self, wait: bool = True) -> None:
        """Start recording if the user has imported torch, else wait for the import."""
        if self.watch is None and (not wait or "torch" in sys.modules):
            from handgrad.notebook.watch import Watch

            self.watch = Watch(self._statements, self.shell.user_ns, self.hook)
            self.pairs = self.watch.session.pairs = self.pairs
        elif self.watch is None:
            self.hook.imported = self._imported

    def _begin(self, number: int) -> None:
        """Start recording in this cell: it imports NumPy, which needs no import of torch."""
        self._start_recording(wait=False)
        if self.watch is not None:
            self.watch.enter(number)

    def _imported(self) -> None:
        """Start recording within a cell, after an import statement that imported torch."""
        if "torch" in sys.modules and self._running:
            with self._guarded():
                self._start_recording()
                if self.watch is not None:
                    self.watch.enter(self._running[0][1].number)

    @property
    def _known_statements(self) -> list[Statement]:
        return self._statements if self.watch is None else self.watch.session.statements

    def visit(self, tree: ast.Module) -> ast.Module:
        """Return the tree of a cell with the hooks in it; IPython calls this a transformer."""
        if not self._running:
            return tree
        place: TreePlace | None = None
        with self._guarded():
            place = self._place_of(tree)
            if place is not None:
                self._instrument(tree, place)
                place = None
        return tree if place is None else place.parsed()

    def _instrument(self, tree: ast.Module, place: TreePlace) -> None:
        self._lasting = self._lasting or LASTING.search(place.text) is not None
        assigned = self.shell.ast_node_interactivity == "last_expr_or_assign"
        shown = trees.assigned(tree) if assigned else None
        ast.increment_lineno(tree, place.above)  # for the report
        self._hook(tree, place.text)
        ast.increment_lineno(tree, -place.above)  # tracebacks keep the line numbers of IPython
        tree.body += [shown] if shown is not None else []

    def _place_of(self, tree: ast.Module) -> TreePlace | None:
        """Return where the tree is in the running cell, None if it is not to be recorded."""
        text = self._running[0][1]
        if self._is_whole:
            self._is_whole = False
            return text.whole()
        frame = sys._getframe(2)
        if is_timing(frame):
            if self.watch is not None:
                self.watch.pause()
            return None
        line = line_of(frame, self.shell.user_ns)
        return None if line is None else text.inner(tree, line + text.blank)

    def _hook(self, tree: ast.Module, text: str) -> None:
        number = self._running[0][1].number
        if self.watch is None and uses_numpy(tree):
            self._begin(number)
        if self.watch is not None:
            self.watch.session.transform(tree, number, text)
        else:
            Instrumenter(self._statements, number, text).module(tree)
            trees.hook_imports(tree)

    def _ran(self, result: Any) -> None:
        """Show the verdicts of the cell that IPython has run."""
        info = getattr(result, "info", None)
        if not self._running or (info is not None and info is not self._running[-1][0]):
            return
        if info is not None and len(self._running) > 1:
            self._running.pop()
            return
        text = self._running[0][1]
        self._running.clear()
        with self._guarded():
            self.journal.judge_engines(text)
            watch = self.watch
            if watch is None:
                return
            watch.leave()
            self.journal.follow(watch, text, self.pairs)
            if watch.events or len(self._known_statements) > self._first:
                watch.tidy(self.shell.user_ns, self._lasting, self._first)

    def _stop(self) -> None:
        self._running.clear()
        if self.watch is not None:
            self.watch.leave()

    def _magic(self, line: str) -> None:
        """Control handgrad; %handgrad help lists the subcommands."""
        with self._guarded():
            output = magic.run(self, line)
            if output:
                print(output)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            print("handgrad: interrupted; this cell is not graded")
        except Exception as error:
            line = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            if line not in self._broken:
                self._broken.add(line)
                print(BROKEN.format(line))


def _uncovered(lines: list[str]) -> list[str]:
    """Comment out `%%handgrad off`, so that IPython runs the rest of the cell as plain code."""
    return ["#" + lines[0], *lines[1:]] if lines and OFF.match(lines[0].rstrip("\n")) else lines
