"""`handgrad check` of several files: progress while they run, then a table of all results."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from handgrad.cli.output import INTERRUPTED, print_report
from handgrad.cli.targets import Targets

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from handgrad.checker.records import Hint
    from handgrad.checker.report.file_result import FileResult

SIGNALS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], None] | signal.Handlers
FINE = ("ok", "unfinished")


@dataclass
class ManyFiles:
    """The files to check, and what to report on them."""

    files: Sequence[str | Path]
    hint: "Hint"
    targets: Targets
    show_output: bool = False
    details: bool = False
    _done: "dict[int, FileResult]" = field(default_factory=dict)

    def check(
        self,
        pairs: Mapping[str, str],
        timeout: float,
        max_steps: int | None,
        jobs: int | None,
        sandbox: bool | None = None,
        **more: Any,
    ) -> int:
        """Check all files and return the exit code. On Ctrl-C, write the results so far.

        `more` are further settings of check_files.
        """
        from handgrad.checker.run.many import check_files
        from handgrad.checker.run.sandbox import not_guaranteed

        open_to_all = not_guaranteed(sandbox)
        if open_to_all is not None:
            print(f"handgrad: {open_to_all}", file=sys.stderr)
        begin = time.monotonic()
        interrupted = False
        results = check_files(self.files, pairs, timeout, max_steps, jobs, sandbox=sandbox, **more)
        try:
            with _on_signals(_interrupt), closing(results), _progress(len(self.files)) as show:
                for result in results:
                    self._done[result.number] = result.hinted(self.hint)
                    show(result)
        except KeyboardInterrupt:
            interrupted = True
        with _on_signals(signal.SIG_IGN):  # a second Ctrl-C must not lose the results
            every = self._every()
            self._finish(every, time.monotonic() - begin)
        return INTERRUPTED if interrupted else exit_code(every)

    def _every(self) -> "list[FileResult]":
        """Return the results in the order of the files, with those not checked."""
        from handgrad.checker.report.file_result import FileResult
        from handgrad.text import printable

        return [
            self._done.get(number) or FileResult(number, printable(str(file)), "unchecked")
            for number, file in enumerate(self.files)
        ]

    def _finish(self, every: "Sequence[FileResult]", seconds: float) -> None:
        try:
            self.targets.write(every, several=True)
        finally:  # show the table even if the disk is full
            self._print(every, seconds)

    def _print(self, every: "Sequence[FileResult]", seconds: float) -> None:
        if self.show_output:
            for result in every:
                print(f"==> {result.file} <==\n{result.output}", end="", file=sys.stderr)
        missing = len(every) - len(self._done)
        done = f"checked {len(self._done)} files in {seconds:.0f} s"
        left = f"handgrad: interrupted: {missing} of {len(every)} files not checked"
        print(left if missing else done, file=sys.stderr)
        if self.targets.json == "-":
            return
        _print_table(every)
        for result in every if self.details else ():
            if result.report is not None:
                print()
                print_report(result.report)


def _print_table(every: "Sequence[FileResult]") -> None:
    """Print in the terminal's colours and width; elsewhere plain, with one line per file."""
    from rich.console import Console

    from handgrad.checker.report import table

    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table.render(every))
    else:
        print(table.to_text(every), end="")


def exit_code(every: "Sequence[FileResult]") -> int:
    """Return 0 if all files are correct, 2 if none could be graded, 1 otherwise."""
    if all(result.report is None for result in every):
        return 2
    return 0 if all(result.status in FINE for result in every) else 1


@contextmanager
def _progress(n_files: int) -> "Iterator[Callable[[FileResult], None]]":
    """Give a function that counts a finished file on a progress bar, if there is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda result: None
        return
    with _bar(console) as bar:
        task = bar.add_task("", total=n_files, last="")
        yield lambda result: bar.update(task, advance=1, last=f"{result.file}: {result.status}")


def _bar(console: "Console") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    last = TextColumn("{task.fields[last]}", markup=False)
    columns = (MofNCompleteColumn(), BarColumn(), TimeElapsedColumn(), last)
    return Progress(*columns, console=console, transient=True)


@contextmanager
def _on_signals(handler: Handler) -> Iterator[None]:
    """Handle Ctrl-C and SIGTERM with `handler`; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
