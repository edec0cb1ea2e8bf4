"""Dropout: out = x * kept / (1 - p), where each element is kept with probability 1 - p.

x and out have any shape; key (2,) int64 is (seed, step). Whether an element is kept depends on the
key, on `number`, which layer of the model this is, and on the element's index in the flattened x:
the mask is the same in every dtype, on every device and for any number of threads, and a run can be
resumed from its step. Srivastava et al.: Dropout, 2014. The division is in training, so evaluation
returns x.
Derivation: docs/derivations/dropout.md
"""

from typing import NamedTuple

import torch
from torch import Tensor

from handgrad.errors import SettingsError

INPUTS = ("x", "key")
NODES = ("out",)

_WORD = 0xFFFFFFFF
"""Hashes are 32 bits wide. Factors are below 2**31, so that no int64 product overflows."""
_FIRST, _SECOND = 0x21F0AAAD, 0x735A2D97
"""Two rounds of a multiplication and a shift mix 32 bits well (C. Wellons' hash-prospector)."""


class _Cache(NamedTuple):
    kept: Tensor  # bool, a quarter of a mask in float32
    scale: float


def forward(x: Tensor, key: Tensor, *, p: float, number: int) -> tuple[Tensor, _Cache]:
    """Drop elements. Raises SettingsError unless 0 <= p < 1."""
    kept, scale = mask(x, key, p, number), 1 / (1 - p)
    return (x * scale).mul_(kept), _Cache(kept, scale)


def backward(dout: Tensor, cache: _Cache) -> tuple[Tensor, None]:
    """Return (dx, None): the gradient of a dropped element is 0."""
    return (dout * cache.scale).mul_(cache.kept), None


def forward_chunked(
    x: Tensor, key: Tensor, *, p: float, number: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward in one line; the mask is a constant."""
    kept = mask(x, key, p, number)
    out = x * kept / (1 - p)
    return out, {"x": x, "key": key, "kept": kept, "out": out}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor], *, p: float) -> dict[str, Tensor]:
    """Return dx with autograd's bits."""
    # out = x * kept / (1 - p)
    dx = dout / (1 - p) * cache["kept"]
    return {"x": dx}


def evaluate(x: Tensor, key: Tensor | None, *, p: float, number: int) -> Tensor:
    """Return x: evaluation keeps every element."""
    return x


def mask(x: Tensor, key: Tensor, p: float, number: int) -> Tensor:
    """Return which elements of x are kept, bool."""
    if not 0 <= p < 1:
        raise SettingsError(f"dropout needs a probability of at least 0 and below 1, got {p}")
    first, second = stream(key, number)
    bits = torch.arange(x.numel(), device=x.device)
    bits.add_(first).bitwise_and_(_WORD)
    bits.bitwise_xor_(bits >> 16).mul_(_FIRST).bitwise_and_(_WORD)
    bits.bitwise_xor_(bits >> 15).add_(second).bitwise_and_(_WORD).mul_(_SECOND).bitwise_and_(_WORD)
    bits.bitwise_xor_(bits >> 15)
    return (bits >= threshold(p)).view(x.shape)


def threshold(p: float) -> int:
    """Return the smallest hash at which an element is kept."""
    return int(p * 2**32)


def stream(key: Tensor, number: int) -> tuple[int, int]:
    """Return two words of 32 bits that select a layer's masks at a step."""
    words = [part for value in key.tolist() for part in (value & _WORD, (value >> 32) & _WORD)]
    hashed = 0
    for word in (*words, number):
        hashed = _mixed((hashed + word) & _WORD)
    return hashed, _mixed(hashed ^ _SECOND)


def _mixed(word: int) -> int:
    word = ((word ^ word >> 16) * _FIRST) & _WORD
    word = ((word ^ word >> 15) * _SECOND) & _WORD
    return word ^ word >> 15
