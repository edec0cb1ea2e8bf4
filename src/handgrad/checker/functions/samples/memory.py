"""Memory layouts of inputs, and kinds of upstream gradient.

A layout keeps the values, except `expanded`, which repeats the first row with stride 0.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Layout = Callable[[Tensor, torch.Generator], Tensor]


def contiguous(value: Tensor, generator: torch.Generator) -> Tensor:
    """Return the value in row-major order."""
    return value.contiguous()


def transposed(value: Tensor, generator: torch.Generator) -> Tensor:
    """Return the value in column-major order; with one dimension, as `sliced` does."""
    if value.dim() < 2:
        return sliced(value, generator)
    order = list(range(value.dim()))[::-1]
    return value.permute(order).contiguous().permute(order)


def sliced(value: Tensor, generator: torch.Generator) -> Tensor:
    """Return the value as every second element of a tensor that has other numbers between them."""
    if value.dim() == 0:
        return offset(value, generator)
    wide = _like(value, (*value.shape[:-1], 2 * value.shape[-1]), generator)
    wide[..., ::2] = value
    return wide[..., ::2]


def offset(value: Tensor, generator: torch.Generator) -> Tensor:
    """Return the value contiguous, starting three elements into its storage."""
    flat = _like(value, (value.numel() + 3,), generator)
    flat[3:] = value.flatten()
    return flat[3:].view(value.shape)


def expanded(value: Tensor, generator: torch.Generator) -> Tensor:
    """Return the first row in place of every row, with stride 0."""
    if value.dim() == 0 or value.shape[0] == 0:
        return value
    return value[:1].contiguous().expand(value.shape)


def split(value: Tensor, generator: torch.Generator) -> Tensor:
    """Return the value as the middle third of wider rows, as from `qkv.chunk(3, -1)`."""
    if value.dim() == 0:
        return offset(value, generator)
    size = value.shape[-1]
    wide = _like(value, (*value.shape[:-1], 3 * size), generator)
    wide[..., size : 2 * size] = value
    return wide[..., size : 2 * size]


def heads(value: Tensor, generator: torch.Generator) -> Tensor:
    """Return the value with two dimensions swapped in memory: (B, H, T, D) of (B, T, H, D)."""
    if value.dim() < 3:
        return split(value, generator)
    return value.transpose(-3, -2).contiguous().transpose(-3, -2)


def channels_last(value: Tensor, generator: torch.Generator) -> Tensor:
    """Return the value with its second dimension last in memory."""
    return ordered(value, (0, *range(2, value.dim()), 1)) if value.dim() > 2 else value.contiguous()


LAYOUTS: dict[str, Layout] = {
    f.__name__: f
    for f in (contiguous, transposed, sliced, offset, expanded, split, heads, channels_last)
}


def ordered(value: Tensor, order: Sequence[int]) -> Tensor:
    """Return the value with its dimensions in this order in memory, the outermost first."""
    inverse = [list(order).index(d) for d in range(value.dim())]
    return value.permute(*order).contiguous().permute(*inverse)


def order_of(value: object) -> tuple[int, ...] | None:
    """Return the order of the dimensions in memory; None if it is the usual one."""
    if not isinstance(value, Tensor) or value.is_contiguous() or 0 in value.stride():
        return None
    strides = value.stride()
    order = tuple(sorted(range(value.dim()), key=lambda d: (-strides[d], d)))
    return None if order == tuple(range(value.dim())) else order


def _like(value: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return a tensor of similar, recognisably different numbers: reading them gives an error."""
    if not value.numel():
        return value.new_zeros(shape)
    count = torch.Size(shape).numel()
    picked = torch.randint(value.numel(), (max(1, count),), generator=generator)
    other = value.flatten()[picked.to(value.device)]
    if value.is_floating_point():
        other = other * 1.5
    return other[:count].reshape(shape)


def upstream(kind: str, out: Tensor, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Return an upstream gradient for `out`, on its device, in `dtype`."""
    if kind == "ones":  # what .sum().backward() passes on
        return torch.ones((), dtype=dtype, device=out.device).expand(out.shape)
    shape = torch.Size(()) if kind == "expanded" else out.shape
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
    value = drawn.to(device=out.device, dtype=dtype)
    if kind == "expanded":
        return value.expand(out.shape)
    return transposed(value, generator) if kind == "strided" else value


def in_storage_order(value: Tensor) -> Tensor:
    """Return what a kernel reads that ignores strides; the value if that is beyond its storage."""
    size = value.untyped_storage().nbytes() // value.element_size()
    if not value.numel() or value.storage_offset() + value.numel() > size:
        return value
    stride = torch.empty(value.shape, device="meta").stride()
    return value.as_strided(value.shape, stride, value.storage_offset()).contiguous()


def twin(value: Tensor) -> Tensor:
    """Return a copy with the same strides and storage offset."""
    storage = value.untyped_storage().clone()  # type: ignore[no-untyped-call]
    empty = torch.empty(0, dtype=value.dtype, device=value.device)
    return empty.set_(storage, value.storage_offset(), value.shape, value.stride())
