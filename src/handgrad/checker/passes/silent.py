"""Operations of the forward pass whose contribution to every gradient is 0."""

from collections.abc import Sequence

from torch import Tensor

from handgrad.checker.passes.conventions import EXTREMES
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Op

ROUNDED = 16.0
"""What cancels is 0 up to so many of the user's eps, relative to the largest contribution."""


def silent_extremes(forward: Pass) -> frozenset[int]:
    """Return the operations that take a largest or smallest element and contribute nothing.

    The maximum that keeps a softmax from overflowing cancels: its gradient is 0, and most people
    leave it out. Where it has a name, its gradient is judged as any other.
    """
    named = {id(bind.value) for bind in forward.nodes()}
    return frozenset(
        op.index
        for number, parts in forward.parts.items()
        for op, part in parts
        if op.func.__name__ in EXTREMES and not any(id(t) in named for t in op.outputs)
        if number in forward.noise and _is_nothing(part, parts, forward.noise[number], forward.eps)
    )


def _is_nothing(
    part: Tensor, parts: Sequence[tuple[Op, Tensor]], noise: Tensor, eps: float
) -> bool:
    """Tell whether a contribution is 0 up to rounding, on the scale of all contributions."""
    scale = max(float(other.abs().max()) for _, other in parts) if part.numel() else 0.0
    return not bool((part.abs() > noise + ROUNDED * eps * scale).any())
