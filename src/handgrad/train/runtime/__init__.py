"""What a run works on: tensors of torch, or arrays that compiled kernels work on.

A runtime is a module, as a layer is; all that differs between the two is in them. What is given
numbers and not a run (`engine.evaluation`, `all_finite`) goes by what those are.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from handgrad.train.runtime import arrays, tensors

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.engine import Engine
    from handgrad.models.initialise import Arrays
    from handgrad.train.checkpoint import Checkpoint
    from handgrad.train.folder import Run
    from handgrad.train.interrupt import Stop
    from handgrad.train.settings import TrainSettings

Numbers = dict[str, Any]
"""By name: what the run works on, one tensor or array each."""

Say = Callable[[str], None]


class Steps(Protocol):
    """A run between two steps. `params` and `optimizer` are written to, `state` may be replaced."""

    params: Numbers
    state: Numbers
    optimizer: Numbers
    most: int
    """Steps between two looks at the losses at most."""

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        """Steps `first` to `end`, or fewer if asked to stop; the batches' losses."""
        ...


class Runtime(Protocol):
    """What both modules offer."""

    FRAMEWORK: str
    """What safetensors calls it."""
    CHANGEABLE: tuple[str, ...]
    """Settings that may be others when a run is taken up: no bit depends on them."""

    def numbers(self, arrays: "Arrays", settings: "TrainSettings") -> Numbers:
        """Copies in the dtype, and of the kind, that the engine works on."""
        ...

    def threads(self, n: int | None, run: "Run") -> AbstractContextManager[None]:
        """What the run's engine does with several threads on up to `n` of the processor, within
        it; None is the engine's own default."""
        ...

    def compile(self, run: "Run", say: Say) -> None:
        """What is not yet compiled on this machine, and a line that says so."""
        ...

    def engine(self, run: "Run") -> "Engine":
        """The run's own, as it is verified."""
        ...

    def is_verified(self, run: "Run") -> bool:
        """Whether gradients of such a run are remembered to be right."""
        ...

    def remember(self, run: "Run") -> None:
        """They are, as was just found; kept where that spares anything."""
        ...

    def steps(self, run: "Run", dataset: "Dataset", start: "Checkpoint", say: Say) -> Steps:
        """From `start` on, whose numbers are written to; `say` hears of what cannot be used."""
        ...


def runtime_of(engine: str) -> Runtime:
    """Arrays for the compiled engine, tensors for all others."""
    if engine == "compiled":
        return arrays
    return tensors  # not `... if ... else ...`, whose modules mypy does not hold to the protocol
