"""What a run computes with, by name, and what a checkpoint holds of it."""

from dataclasses import dataclass, field
from typing import Any

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


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of step `step` (the number of updates made)."""

    step: int
    params: Numbers
    state: Numbers
    optimizer: Numbers
    finished: bool = False
    totals: RunningTotals = field(default_factory=RunningTotals)


def all_finite(numbers: Any) -> bool:
    """Return whether a tensor or an array has neither NaN nor infinity."""
    import numpy as np

    return bool(np.isfinite(numbers).all() if is_array(numbers) else numbers.isfinite().all())


def is_array(numbers: Any) -> bool:
    """Return whether `numbers` is a NumPy array, not a tensor."""
    import numpy as np

    return isinstance(numbers, np.ndarray)
