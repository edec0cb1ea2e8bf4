"""What every backend offers."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from handgrad.training.state import Checkpoint, Numbers

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.engine import Engine
    from handgrad.models.initialise import Arrays
    from handgrad.training.folder import RunFolder
    from handgrad.training.interrupt import Stop
    from handgrad.training.settings import TrainSettings

Say = Callable[[str], None]
"""Prints one line."""


class Steps(Protocol):
    """A run between two steps. `params` and `optimizer` change in-place; `state` may be new."""

    params: Numbers
    state: Numbers
    optimizer: Numbers
    most: int
    """Maximum number of steps per call of `go`."""

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        """Take the steps `first` to `end`, fewer if `stop` is requested; return the losses."""
        ...


class Backend(Protocol):
    """What the modules `tensors` and `arrays` offer."""

    FRAMEWORK: str
    """Its name in safetensors."""
    CHANGEABLE: tuple[str, ...]
    """Settings that a resumed run may change, because no bit depends on them."""

    def numbers(self, arrays: "Arrays", settings: "TrainSettings") -> Numbers:
        """Return copies of the kind, and in the dtype, that the engine works on."""
        ...

    def threads(self, n: int | None, run: "RunFolder") -> AbstractContextManager[None]:
        """Return a context in which the run's engine uses up to `n` CPU threads.

        None is the engine's default.
        """
        ...

    def compile(self, run: "RunFolder", say: Say) -> None:
        """Compile what this machine has not compiled yet, and say so."""
        ...

    def engine(self, run: "RunFolder") -> "Engine":
        """Return the run's engine, whose gradients are verified."""
        ...

    def is_verified(self, run: "RunFolder") -> bool:
        """Return whether the gradients of such a run were verified before."""
        ...

    def remember(self, run: "RunFolder") -> None:
        """Remember that the gradients are verified, where that saves time later."""
        ...

    def steps(self, run: "RunFolder", dataset: "Dataset", start: Checkpoint, say: Say) -> Steps:
        """Return the steps from `start` on, whose tensors change in-place.

        `say` receives a line about a feature that cannot be used.
        """
        ...
