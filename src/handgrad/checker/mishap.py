"""What fails inside the checker costs its own part of the report, and no other."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from handgrad.checker.records import Note
from handgrad.errors import CheckError
from handgrad.text import one_line

T = TypeVar("T")
CODE = "HG220"


class Mishaps:
    """Runs parts of a check, and keeps a note on each that failed."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    def attempt(self, what: str, part: Callable[[], T], otherwise: T) -> T:
        """Return the result of `part`, or `otherwise` if it fails; `what` was then not done.

        CheckError is meant for the user, and passes.
        """
        try:
            return part()
        except CheckError:
            raise
        except Exception as error:
            reason = one_line(f"{type(error).__name__}: {error}", 120)
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(frame.filename).name}:{frame.lineno}"
            message = (
                f"{what}: handgrad itself failed ({reason}, at {where}). The rest of the report is "
                "not affected. Please report it."
            )
            self.notes.append(Note(CODE, message))
            return otherwise
