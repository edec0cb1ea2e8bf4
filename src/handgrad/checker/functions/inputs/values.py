"""Random numbers that resemble an example tensor, in another shape.

They stay within the example's range, so that positive numbers and probabilities stay valid.
Constants (weights of 1, biases of 0) vary: all ones would hide a mistake.
"""

from collections.abc import Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor

from handgrad.text import array_text

MASK = 4
"""Up to so many distinct whole numbers in a floating tensor are a mask or codes, and are kept."""


def drawn_like(
    example: Tensor, shape: Sequence[int], limit: int | None, generator: torch.Generator
) -> Tensor:
    """Return numbers like the example's in `shape` on its device, floating ones in float64.

    Whole numbers stay below `limit` if it is given. Raises ValueError if `limit` is 0 and `shape`
    has elements.
    """
    if example.is_floating_point():
        drawn = _floating(example.detach().double().cpu().flatten(), shape, generator)
    elif example.dtype == torch.bool:
        pool = example.detach().cpu().flatten()
        both = torch.tensor([False, True])
        drawn = _picked(pool if pool.numel() else both, shape, generator)
    else:
        drawn = _whole(example.detach().cpu().flatten(), shape, limit, generator)
    return drawn.to(example.device)


def is_floating(value: object) -> TypeGuard[Tensor]:
    """Return whether a value is a tensor of floating-point numbers."""
    return isinstance(value, Tensor) and value.is_floating_point()


def whole_numbers(limit: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Return whole numbers below `limit`. Raises ValueError if there is none, but an element."""
    if limit == 0 and torch.Size(shape).numel():
        raise ValueError("there is no whole number below 0 to draw")
    return torch.randint(max(limit, 1), list(shape), generator=generator)


def _floating(pool: Tensor, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    noise = torch.rand(list(shape), generator=generator, dtype=torch.float64)
    if not pool.numel() or bool((pool == 0).all()):
        return torch.randn(list(shape), generator=generator, dtype=torch.float64)
    if bool((pool == pool[0]).all()):
        return pool[0] * (0.5 + noise)
    values = pool.unique()  # type: ignore[no-untyped-call]
    whole = bool((values == values.round()).all()) and len(values) <= MASK
    index = torch.randint(len(pool), list(shape), generator=generator)
    if whole or not bool(pool.isfinite().all()):
        return pool[index]
    step = torch.randint(1, len(pool), list(shape), generator=generator)  # between two elements
    return torch.lerp(pool[index], pool[(index + step) % len(pool)], noise)


def _whole(
    pool: Tensor, shape: Sequence[int], limit: int | None, generator: torch.Generator
) -> Tensor:
    if not pool.numel():
        return torch.zeros(list(shape), dtype=pool.dtype)
    if limit is None:
        return _picked(pool, shape, generator)
    drawn = whole_numbers(limit, shape, generator).to(pool.dtype)
    one = _picked(pool, shape, generator)
    return torch.where(one < 0, one, drawn)  # -100 and the like have a meaning


def as_text(value: Any) -> str:
    """Return `f32[3,65]` for a tensor, its repr for anything else."""
    is_tensor = isinstance(value, Tensor)
    return array_text(str(value.dtype), value.shape) if is_tensor else repr(value)


def _picked(pool: Tensor, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    return pool[torch.randint(len(pool), list(shape), generator=generator)]
