"""exp, tanh, the sigmoid and the normal tail in plain arithmetic against wider types."""

import numpy as np
import pytest

from handgrad.kernels.exponential import exp_of_negative, sigmoid, tanh
from handgrad.kernels.jit import called
from handgrad.kernels.normal import scaled_tail


@called
def _tanh_of(x, out):
    for i in range(x.size):
        out[i] = tanh(x[i])


@called
def _exp_of(x, out):
    for i in range(x.size):
        out[i] = exp_of_negative(x[i])


@called
def _sigmoid_of(x, out):
    for i in range(x.size):
        out[i] = sigmoid(x[i])


@called
def _scaled_tail_of(x, out):
    for i in range(x.size):
        out[i] = scaled_tail(x[i])


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
def test_the_sigmoid_to_three_units_in_the_last_place(dtype: type) -> None:
    x, out = applied(_sigmoid_of, np.concatenate([-MAGNITUDES, MAGNITUDES]), dtype)
    assert units(x, out, lambda x: 1 / (1 + np.exp(-x)), dtype) < 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_normal_tail_to_four_units_in_the_last_place(dtype: type) -> None:
    """Against a continued fraction far out, and the sum of the density's series near 0."""
    x, out = applied(_scaled_tail_of, np.linspace(0, 30, 30_001), dtype)
    assert units(x, out, _wide_tail, dtype) < 4


def _wide_tail(x):
    """exp(x**2 / 2) P(Z > x), by Laplace's continued fraction from 3 on, below by a series."""
    root = np.sqrt(2 * np.longdouble("3.14159265358979323846"))  # np.pi has 16 digits
    far = np.maximum(x, 3)
    fraction = far
    for k in range(300, 0, -1):
        fraction = far + k / fraction
    near = np.minimum(x, 3)
    term = total = near
    for k in range(1, 120):
        term = term * near * near / (2 * k + 1)
        total = total + term
    half = np.exp(near * near / 2) / 2
    return np.where(x >= 3, 1 / (root * fraction), half - total / root)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_non_finite_and_tiny_numbers(dtype: type) -> None:
    values = [np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype).tiny / 8, 1e30]
    _, out = applied(_tanh_of, values, dtype)
    np.testing.assert_array_equal(out, np.tanh(np.asarray(values, dtype)))
    _, out = applied(_exp_of, [np.nan, 0.0, -np.inf, -1e30, -800.0], dtype)
    assert np.isnan(out[0])
    assert out[1] == 1
    _, sigmoids = applied(_sigmoid_of, [np.nan, -np.inf, np.inf, 0.0], dtype)
    np.testing.assert_allclose(sigmoids, [np.nan, 0, 1, 0.5], rtol=0, atol=np.finfo(dtype).tiny * 2)
    # what underflows is the smallest normal number or so, in place of 0
    assert (out[2:] <= 2 * np.finfo(dtype).tiny).all()
    assert (out[2:] >= 0).all()
