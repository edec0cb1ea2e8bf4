"""What commands print: lines, marks, and where JSON goes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from handgrad.errors import RunError

if TYPE_CHECKING:
    from handgrad.data import Dataset

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""
MARKS = {True: "new", False: "known"}


def sayer(stream: TextIO) -> Callable[[str], None]:
    """A function that prints a line to `stream` at once."""
    return lambda line: print(line, file=stream, flush=True)


def check_target(json: str | None) -> None:
    """Raise RunError now, not at the end, where `--json FILE` cannot be written."""
    if json is None or json == "-":
        return
    path = Path(json)
    if path.is_dir():
        raise RunError(f"cannot write {path}: it is a folder; name a file with --json")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise RunError(
            f"cannot write {path}: no folder {path.parent} that can be written; "
            "name another file with --json"
        )


def is_new(word: str, dataset: "Dataset") -> bool:
    """Whether `word` is none of the training words."""
    return not dataset.contains("train", word)


def marked(words: list[str], dataset: "Dataset") -> list[str]:
    """Lines of a mark and a word: `new`, or `known` from the training words."""
    return [f"{MARKS[is_new(word, dataset)]:<5}  {word}" for word in words]
