"""Arrays side by side in one block of memory, each at the start of a cache line.

NumPy aligns arrays to 16 bytes: every second vector can then cross a cache line.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.models import Model

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
"""Arrays by name."""
LINE = 64
"""Bytes in a cache line."""


def side_by_side(shapes: Mapping[str, tuple[int, ...]], dtype: Any) -> dict[str, Array]:
    """Return arrays of zeros of these shapes."""
    return in_one(shapes, dtype)[1]


def in_one(shapes: Mapping[str, tuple[int, ...]], dtype: Any) -> tuple[Array, dict[str, Array]]:
    """Return one array (n,) and, in its memory, arrays of zeros of these shapes."""
    size = np.dtype(dtype).itemsize
    lines = {name: -(-prod(shape) * size // LINE) for name, shape in shapes.items()}
    memory = np.zeros((sum(lines.values()) + 1) * LINE, np.uint8)
    first = at = -memory.ctypes.data % LINE
    arrays = {}
    for name, shape in shapes.items():
        end = at + prod(shape) * size
        arrays[name] = memory[at:end].view(dtype).reshape(shape)
        at += lines[name] * LINE
    return memory[first:at].view(dtype), arrays


def zeros_of(model: Model, dtype: Any) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return parameters and state of `model`, all zero."""
    return side_by_side(model.shapes(), dtype), side_by_side(model.state_shapes(), dtype)


def copied(arrays: Arrays, dtype: Any) -> dict[str, Array]:
    """Return copies, side by side."""
    copies = side_by_side({name: array.shape for name, array in arrays.items()}, dtype)
    for name, array in arrays.items():
        copies[name][...] = array
    return copies
