"""How tensors lie in memory: layouts of inputs, kinds of upstream gradient.

The values stay as they are, but for `expanded`, whose rows are one row with stride 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Layout = Callable[[Tensor, torch.Generator], Tensor]


def contiguous(value: Tensor, generator: torch.Generator) -> Tensor:
    """Rows one after the other."""
    return value.contiguous()


def transposed(value: Tensor, generator: torch.Generator) -> Tensor:
    """Columns one after the other; of one dimension, every second element of a larger memory."""
    if value.dim() < 2:
        return sliced(value, generator)
    order = list(range(value.dim()))[::-1]
    return value.permute(order).contiguous().permute(order)


def sliced(value: Tensor, generator: torch.Generator) -> Tensor:
    """Every second element of a memory that holds other numbers between."""
    if value.dim() == 0:
        return offset(value, generator)
    wide = _like(value, (*value.shape[:-1], 2 * value.shape[-1]), generator)
    wide[..., ::2] = value
    return wide[..., ::2]


def offset(value: Tensor, generator: torch.Generator) -> Tensor:
    """Contiguous, but three elements into its memory."""
    flat = _like(value, (value.numel() + 3,), generator)
    flat[3:] = value.flatten()
    return flat[3:].view(value.shape)


def expanded(value: Tensor, generator: torch.Generator) -> Tensor:
    """One row, with stride 0, in place of all."""
    if value.dim() == 0 or value.shape[0] == 0:
        return value
    return value[:1].contiguous().expand(value.shape)


LAYOUTS: dict[str, Layout] = {
    f.__name__: f for f in (contiguous, transposed, sliced, offset, expanded)
}


def _like(value: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return a memory for values like these, full of other such numbers: to be told if read."""
    if not value.numel():
        return value.new_zeros(shape)
    count = max(1, torch.Size(shape).numel())
    picked = torch.randint(value.numel(), (count,), generator=generator)
    other = value.flatten()[picked.to(value.device)]
    if value.is_floating_point():
        other = other * 1.5
    return other[: torch.Size(shape).numel()].reshape(shape)


def upstream(kind: str, out: Tensor, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Return a gradient for `out`: its shape and device, `dtype`, no gradient of its own."""
    if kind == "ones":  # as .sum().backward() passes it on
        return torch.ones((), dtype=dtype, device=out.device).expand(out.shape)
    shape = torch.Size(()) if kind == "expanded" else out.shape
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
    value = drawn.to(device=out.device, dtype=dtype)
    if kind == "expanded":
        return value.expand(out.shape)
    return transposed(value, generator) if kind == "strided" else value


def in_storage_order(value: Tensor) -> Tensor | None:
    """Return what a kernel reads that takes the memory for contiguous; None where it runs out."""
    if value.is_contiguous() or not value.numel():
        return None
    stride = torch.empty(value.shape, device="meta").stride()
    if value.storage_offset() + value.numel() > value.untyped_storage().nbytes() // (
        value.element_size()
    ):
        return None
    return value.as_strided(value.shape, stride, value.storage_offset()).contiguous()


def twin(value: Tensor) -> Tensor:
    """Return a copy that lies in memory exactly as `value` does."""
    storage = value.untyped_storage().clone()  # type: ignore[no-untyped-call]
    empty = torch.empty(0, dtype=value.dtype, device=value.device)
    return empty.set_(storage, value.storage_offset(), value.shape, value.stride())
