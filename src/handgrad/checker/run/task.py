"""What a child process does with a file: the interface between run/ and the commands above it.

The parent names a task in its request, as `module:Class`. Only the child imports that module: it
needs torch, and the parent does not.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from handgrad.checker.records import CellError, Note
from handgrad.checker.run.cells import Cell
from handgrad.checker.session import Session


class Task(ABC):
    """One task on one file. `request` holds what the parent asks for."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.request = request
        self.file: str = request["shown"]
        self.session = Session(request["pairs"], request["max_steps"])

    def require(self, cells: Sequence[Cell]) -> None:  # noqa: B027  # most tasks need nothing
        """Raise CheckError if running the cells cannot lead to an answer."""

    def begins(self, cell: Cell) -> None:  # noqa: B027  # most tasks need not know
        """Note that a cell is about to run."""

    def has_enough(self) -> bool:
        """Return whether the answer no longer depends on the cells that have not run yet."""
        return False

    def ended_cell(self) -> bool:
        """Return whether this task ended the cell that ran last, so that it did not fail."""
        return False

    @abstractmethod
    def answer(self, errors: Sequence[CellError], notes: Sequence[Note]) -> dict[str, Any]:
        """Return the answer to the parent, ready for JSON. Raises CheckError if there is none.

        `errors` are what the user's code raised, `notes` are on how the file was run.
        """
