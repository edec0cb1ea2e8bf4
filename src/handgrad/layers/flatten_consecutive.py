"""Flatten consecutive: each k neighbouring positions become one, with their channels side by side.

x (B, T, C), out (B, T/k, C*k): out[b, t] = (x[b, k t], ..., x[b, k t + k - 1]).
Van den Oord et al.: WaveNet, 2016, arXiv:1609.03499, whose layers join two neighbours each.
Derivation: docs/derivations/flatten_consecutive.md
"""

from torch import Size, Tensor

from handgrad.errors import SettingsError

INPUTS = ("x",)
NODES = ("out",)


def forward(x: Tensor, *, k: int) -> tuple[Tensor, Size]:
    """Reshape; a view if the memory layout allows it. Raises SettingsError unless k divides T."""
    return x.reshape(_shape(x, k)), x.shape


def backward(dout: Tensor, cache: Size) -> tuple[Tensor]:
    """Return (dx,), a copy: results of backward share no memory with dout."""
    return (dout.reshape(cache).clone(),)


def forward_chunked(x: Tensor, *, k: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward in the notebooks' one line."""
    out = x.reshape(_shape(x, k))  # (B, T/k, C*k)
    return out, {"x": x, "out": out}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return dx (B, T, C)."""
    # out = x.reshape(B, T // k, C * k)
    dx = dout.reshape(cache["x"].shape).clone()
    return {"x": dx}


def _shape(x: Tensor, k: int) -> tuple[int, int, int]:
    B, T, C = x.shape
    if T % k:
        raise SettingsError(f"flatten_consecutive needs a length that k divides, got {T} and k {k}")
    return B, T // k, C * k
