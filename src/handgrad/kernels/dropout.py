"""Dropout on given memory, any shape. Specification: layers/dropout.py, with the same bits.

The mask costs less to compute again than to keep.
"""

from typing import Any

import numpy as np

from handgrad.kernels.jit import flat, inlined, kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.sums import put
from handgrad.kernels.team import numbers_of

NODES = ("out",)

_FIRST, _SECOND = np.uint32(0x21F0AAAD), np.uint32(0x735A2D97)
_MORE, _LESS, _WORD = np.uint32(16), np.uint32(15), np.uint64(32)


def memory(x: Shape, key: Shape, *, p: float, number: int) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {"out": x}


@kernel
def forward(x: Any, key: Any, out: Any, p: float, number: int, thread: int, team: Any) -> None:
    _drop(x, key, out, p, number, thread, team)


@kernel
def backward(dout: Any, key: Any, dx: Any, p: float, number: int, thread: int, team: Any) -> None:
    """Compute dx = dout kept / (1 - p)."""
    _drop(dout, key, dx, p, number, thread, team)


@kernel
def evaluate(x: Any, out: Any, thread: int, team: Any) -> None:
    put(x, out, False, thread, team)


@kernel
def _drop(x: Any, key: Any, out: Any, p: float, number: int, thread: int, team: Any) -> None:
    """Compute out = x kept / (1 - p)."""
    zero, scale = x.dtype.type(0), x.dtype.type(1 / (1 - p))
    least = np.uint32(p * 2.0**32)
    first, second = _stream(key, number)
    given, written = flat(x), flat(out)
    begin, end = numbers_of(x, thread, team)
    for i in range(begin, end):
        bits = np.uint32(np.uint32(i) + first)
        bits = np.uint32((bits ^ (bits >> _MORE)) * _FIRST)
        bits = np.uint32((np.uint32(bits ^ (bits >> _LESS)) + second) * _SECOND)
        bits = np.uint32(bits ^ (bits >> _LESS))
        written[i] = given[i] * scale if bits >= least else zero


@inlined
def _stream(key: Any, number: int) -> Any:
    """Return the two words of 32 bits that select a layer's masks at a step."""
    hashed = np.uint32(0)
    for value in key:
        hashed = _mixed(np.uint32(hashed + np.uint32(value)))
        hashed = _mixed(np.uint32(hashed + np.uint32(np.uint64(value) >> _WORD)))
    hashed = _mixed(np.uint32(hashed + np.uint32(number)))
    return hashed, _mixed(np.uint32(hashed ^ _SECOND))


@inlined
def _mixed(word: Any) -> Any:
    word = np.uint32((word ^ (word >> _MORE)) * _FIRST)
    word = np.uint32((word ^ (word >> _LESS)) * _SECOND)
    return np.uint32(word ^ (word >> _LESS))
