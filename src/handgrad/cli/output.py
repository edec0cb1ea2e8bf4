"""What commands print: lines, marks, reports."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from handgrad.errors import RunError, SettingsError
from handgrad.text import printable

if TYPE_CHECKING:
    from handgrad.checker.records import Hint
    from handgrad.checker.report.report import Report
    from handgrad.data import Dataset

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as in shells."""
MARKS = {True: "new", False: "known"}


def sayer(stream: TextIO) -> Callable[[str], None]:
    """Return a function that prints a line, safe for a terminal, to `stream` and flushes it."""
    return lambda line: print(printable(line), file=stream, flush=True)


def check_target(target: str | Path | None, option: str = "--json") -> None:
    """Raise RunError, before any work, if the file that `option` names cannot be written."""
    if target is None or target == "-":
        return
    path = Path(target)
    if path.is_dir():
        raise RunError(f"cannot write {path}: it is a folder; name a file with {option}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise RunError(
            f"cannot write {path}: {path.parent} is not a writable folder; "
            f"name another file with {option}"
        )


def hint_level(given: str) -> "Hint":
    """Return the level of `--hint`. Raises SettingsError if there is no such level."""
    from handgrad.checker.records import HINTS

    for level in HINTS:
        if level == given:
            return level
    raise SettingsError(f"--hint {given}: known: {', '.join(HINTS)}")


def print_report(report: "Report") -> None:
    """Print in the terminal's colours and width; elsewhere plain and 100 columns wide."""
    from rich.console import Console

    from handgrad.checker.report import text
    from handgrad.checker.report.states import ASCII_MARKS, MARKS

    console = Console(highlight=False)
    marks = MARKS if console.encoding.startswith("utf") else ASCII_MARKS
    if console.is_terminal:
        console.print(text.render(report, marks))
    else:
        print(text.to_text(report, marks=marks), end="")


def is_new(word: str, dataset: "Dataset") -> bool:
    """Return whether `word` is not a training word."""
    return not dataset.contains("train", word)


def marked(words: list[str], dataset: "Dataset") -> list[str]:
    """Return lines of a mark and a word; the mark is `new`, or `known` for a training word."""
    return [f"{MARKS[is_new(word, dataset)]:<5}  {word}" for word in words]
