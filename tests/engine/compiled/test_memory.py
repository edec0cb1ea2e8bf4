"""Arrays side by side: each starts a cache line, none overlap."""

import numpy as np
import pytest

from handgrad.engine.compiled.memory import LINE, copied, side_by_side

SHAPES = {"C": (27, 10), "b": (3,), "none": (0, 4), "scalar": (), "W": (10, 20)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_array_starts_a_cache_line(dtype: str) -> None:
    arrays = side_by_side(SHAPES, dtype)
    for name, shape in SHAPES.items():
        assert arrays[name].shape == shape
        assert arrays[name].dtype == dtype
        assert arrays[name].flags.c_contiguous
        if arrays[name].size:
            assert arrays[name].ctypes.data % LINE == 0
    for number, array in enumerate(arrays.values(), 1):
        array[...] = number
    for number, array in enumerate(arrays.values(), 1):
        assert (array == number).all()


def test_copies_share_no_memory() -> None:
    given = {"W": np.arange(6.0).reshape(2, 3), "b": np.ones(3)}
    made = copied(given, "float64")
    given["W"][0, 0] = 7
    np.testing.assert_array_equal(made["W"], np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(made["b"], np.ones(3))
    assert copied({}, "float32") == {}
