"""What a run works on: torch tensors, or NumPy arrays for compiled kernels.

A backend is a module, as a layer is; everything that differs between the two is in it. Functions
that receive numbers and no run (`engine.evaluation`, `all_finite`) look at their type instead.
"""

from handgrad.training.backends import arrays, tensors
from handgrad.training.backends.protocol import Backend


def backend_of(engine: str) -> Backend:
    """Return arrays for the compiled engine, tensors for all others."""
    if engine == "compiled":
        return arrays
    return tensors  # two returns: mypy does not hold the modules of an `if` expression to Backend
