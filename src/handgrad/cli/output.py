"""What commands print: lines, marks, and where JSON goes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from handgrad.errors import RunError, SettingsError

if TYPE_CHECKING:
    from handgrad.checker.records import Hint
    from handgrad.checker.report.report import Report
    from handgrad.data import Dataset

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""
MARKS = {True: "new", False: "known"}


def sayer(stream: TextIO) -> Callable[[str], None]:
    """A function that prints a line to `stream` at once."""
    return lambda line: print(line, file=stream, flush=True)


def check_target(target: str | Path | None, option: str = "--json") -> None:
    """Raise RunError now, not at the end, where a file that `option` names cannot be written."""
    if target is None or target == "-":
        return
    path = Path(target)
    if path.is_dir():
        raise RunError(f"cannot write {path}: it is a folder; name a file with {option}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise RunError(
            f"cannot write {path}: no folder {path.parent} that can be written; "
            f"name another file with {option}"
        )


def hint_level(given: str) -> "Hint":
    """What `--hint` asks for. Raises SettingsError where it is no level."""
    from handgrad.checker.records import HINTS

    for level in HINTS:
        if level == given:
            return level
    raise SettingsError(f"--hint {given}: known are {', '.join(HINTS)}")


def print_report(report: "Report") -> None:
    """On a terminal in its colours and width, elsewhere plain and 100 columns wide."""
    from rich.console import Console

    from handgrad.checker.report import text

    console = Console(highlight=False)
    marks = text.MARKS if console.encoding.startswith("utf") else text.ASCII_MARKS
    if console.is_terminal:
        console.print(text.render(report, marks))
    else:
        print(text.to_text(report, marks=marks), end="")


def is_new(word: str, dataset: "Dataset") -> bool:
    """Whether `word` is none of the training words."""
    return not dataset.contains("train", word)


def marked(words: list[str], dataset: "Dataset") -> list[str]:
    """Lines of a mark and a word: `new`, or `known` from the training words."""
    return [f"{MARKS[is_new(word, dataset)]:<5}  {word}" for word in words]
