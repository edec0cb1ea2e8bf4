"""exp and tanh in plain arithmetic against NumPy in a wider type."""

import numpy as np
import pytest

from handgrad.kernels.exponential import exp_of_negative, tanh
from handgrad.kernels.jit import called


@called
def _tanh_of(x, out):
    for i in range(x.size):
        out[i] = tanh(x[i])


@called
def _exp_of(x, out):
    for i in range(x.size):
        out[i] = exp_of_negative(x[i])


def applied(function, values, dtype):
    x = np.asarray(values, dtype)
    out = np.empty_like(x)
    function(x, out)
    return x, out


def units(x, out, reference, dtype):
    """Return the largest relative error in units of eps.

    Not in spacings: they are 0 in a process where a library makes the CPU flush subnormal numbers.
    """
    truth = reference(x.astype(np.longdouble))
    there = truth != 0
    assert (out[~there] == 0).all()
    relative = np.abs(out[there] - truth[there]) / np.abs(truth[there])
    return float(np.max(relative)) / np.finfo(dtype).eps


MAGNITUDES = np.concatenate([np.linspace(0, 80, 200_001), np.logspace(-30, 1.9, 100_001)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tanh_to_three_units_in_the_last_place(dtype: type) -> None:
    """As good as vectorised libraries (SLEEF: 1 to 3.5)."""
    x, out = applied(_tanh_of, np.concatenate([-MAGNITUDES, MAGNITUDES]), dtype)
    assert units(x, out, np.tanh, dtype) < 3
    assert np.abs(out).max() <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_to_two_units_in_the_last_place(dtype: type) -> None:
    x, out = applied(_exp_of, -MAGNITUDES, dtype)
    assert units(x, out, np.exp, dtype) < 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_non_finite_and_tiny_numbers(dtype: type) -> None:
    values = [np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype).tiny / 8, 1e30]
    _, out = applied(_tanh_of, values, dtype)
    np.testing.assert_array_equal(out, np.tanh(np.asarray(values, dtype)))
    _, out = applied(_exp_of, [np.nan, 0.0, -np.inf, -1e30, -800.0], dtype)
    assert np.isnan(out[0])
    assert out[1] == 1
    # what underflows is the smallest normal number or so, in place of 0
    assert (out[2:] <= 2 * np.finfo(dtype).tiny).all()
    assert (out[2:] >= 0).all()
