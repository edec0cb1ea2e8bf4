"""What a run computes with, by name, and what a checkpoint holds of it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

Numbers = dict[str, Any]
"""One tensor (torch engines) or array (compiled engine) per name."""


@dataclass(frozen=True)
class RunningTotals:
    """Totals that continue across an interruption of the run."""

    seconds: float = 0.0
    """Time spent training, over all parts of the run."""
    loss_sum: float = 0.0
    """Sum of the batch losses since the last row of metrics.csv."""
    loss_count: int = 0
    """Number of those losses."""
    best_loss: float | None = None
    """The lowest val loss of an evaluation so far, and its step; None if nobody asks for them."""
    best_step: int = 0
    waited: int = 0
    """Number of evaluations since then."""


class Weights(NamedTuple):
    """What a run has learned: parameters and state."""

    params: Numbers
    state: Numbers

    def copied(self) -> "Weights":
        """Return copies that training does not change."""
        return Weights(*({name: _copy(x) for name, x in numbers.items()} for numbers in self))


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of step `step` (the number of updates made)."""

    step: int
    params: Numbers
    state: Numbers
    optimizer: Numbers
    finished: bool = False
    totals: RunningTotals = field(default_factory=RunningTotals)
    best: Weights | None = None
    """Those of the evaluation with the lowest val loss, until the run is finished with them."""
    weights_of: int | None = None
    """The step of `params` and `state` in a finished run that kept its best ones."""


def _copy(numbers: Any) -> Any:
    return numbers.copy() if is_array(numbers) else numbers.clone()


def all_finite(numbers: Any) -> bool:
    """Return whether a tensor or an array has neither NaN nor infinity."""
    import numpy as np

    return bool(np.isfinite(numbers).all() if is_array(numbers) else numbers.isfinite().all())


def is_array(numbers: Any) -> bool:
    """Return whether `numbers` is a NumPy array, not a tensor."""
    import numpy as np

    return isinstance(numbers, np.ndarray)
