"""How far rounding alone moves a gradient: Monte Carlo arithmetic (Parker 1997; Denis et al. 2016).

The operations are run again in float64 a few times, forward and backward, and each result is moved
at random within the rounding of the user's dtype: x -> x (1 + eps u), u uniform in [-1, 1]. Where
terms cancel, the moved terms do not, so the noise has the scale of the terms. A fixed tolerance, or
ULPs of the result, does not know that scale.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

DRAWS = 6
"""With 6 draws the largest is below a fifth of the spread in fewer than 1 element in 10,000."""

_EXACT = {
    "amax", "amin", "arange", "cat", "clamp", "clamp_max", "clamp_min", "clone", "contiguous",
    "constant_pad_nd", "copy_", "detach", "embedding",
    "empty", "empty_like", "empty_strided", "eye", "fill_", "flip", "full", "full_like", "gather",
    "index", "index_select", "lift_fresh", "lift_fresh_copy", "masked_fill", "masked_fill_",
    "max", "maximum", "min", "minimum", "median", "neg", "abs", "new_empty", "new_full",
    "new_ones", "new_zeros", "ones", "ones_like", "relu", "repeat", "roll", "scalar_tensor",
    "select_backward", "set_", "slice_backward", "sort", "stack", "threshold_backward", "topk",
    "triu", "tril", "where",
    "zero_", "zeros",
    "zeros_like", "_to_copy", "_unsafe_view", "_reshape_copy", "alias",
}  # fmt: skip
"""Operations that move numbers without rounding them."""

FINEST = 2.0**-44
"""Moves of float64 numbers must be well above their last bit. Where eps is smaller than this, the
draws move by FINEST and the noise is scaled back (it is linear at these sizes)."""


class Jitter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, every rounding operation's floating result is moved within `eps` of itself.

    It acts on the operations of the backward pass too. It has its own generator and does not touch
    the caller's random numbers.
    """

    def __init__(self, eps: float, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.eps = eps
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def moved(
        self,
        func: Any,
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation and move its result."""
        result = func(*args, **(kwargs or {}))
        if func.is_view or func.overloadpacket.__name__ in _EXACT:
            return result
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor) and value.is_floating_point():
                self.move(value)
            elif isinstance(value, Tensor) and value.is_complex() and not value.is_conj():
                self.move(torch.view_as_real(value))
        return result

    def move(self, value: Tensor) -> Tensor:
        """Move `value` in place, and return it; 0 stays 0, so that no mask changes."""
        device = value.device
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        draw = torch.rand(
            value.shape, dtype=value.dtype, device=device, generator=self._generators[device]
        )
        return value.mul_(draw.mul_(2 * self.eps).add_(1 - self.eps))


# Set after the class body: torch wraps a method that it finds there, and the first call would then
# import its compiler, which takes two seconds.
Jitter.__torch_dispatch__ = Jitter.moved  # type: ignore[method-assign, assignment]


def noise_of(
    gradients: Callable[[Callable[[Tensor], Tensor]], Sequence[Tensor | None]],
    truth: Sequence[Tensor | None],
    eps: float,
    draws: int = DRAWS,
    start: int = 0,
    jitter: type[Jitter] = Jitter,
) -> list[Tensor | None]:
    """Return for each truth (float64) the largest move over `draws` runs, at least eps |truth|.

    `start` skips the first draws: the caller has their noise already.

    `gradients(move)` runs forward and backward in float64 from leaves that it passes through
    `move` (they are rounded too), and returns one gradient for each truth, in the same order.
    """
    noise = [None if value is None else value.abs() * eps for value in truth]
    width = max(eps, FINEST)
    for seed in range(start, draws):
        with jitter(width, seed) as active:
            moved = gradients(lambda leaf, active=active: active.move(leaf.clone()))  # type: ignore[misc]
        for own, value, new in zip(noise, truth, moved, strict=True):
            if own is not None and value is not None and new is not None:
                move = (new - value).abs().nan_to_num(nan=torch.inf) * (eps / width)
                torch.maximum(own, move, out=own)
    return noise
