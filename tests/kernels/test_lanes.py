"""Vectors in registers against NumPy."""

from itertools import pairwise

import numpy as np
import pytest

from handgrad.engine.compiled.team import ALONE
from handgrad.kernels.jit import called, integers
from handgrad.kernels.lanes import (
    exp_lanes,
    fill,
    lanes,
    largest,
    load,
    minus,
    multiply_add,
    over,
    plus,
    store,
    times,
    where_reached,
)
from handgrad.kernels.recurrent import make_plan, ranks_of
from handgrad.kernels.shifted import products

DTYPES = [np.float32, np.float64]


@called
def _every(x, y, out):
    width = lanes(x)
    a, b, zero = load(x, 0), load(y, 0), fill(x, x.dtype.type(0))
    results = (
        plus(a, b),
        minus(a, b),
        times(a, b),
        over(a, b),
        largest(a, b),
        multiply_add(a, b, a),
        where_reached(a, x.dtype.type(2), b, zero),
    )
    for i in range(len(results)):
        store(out, i * width, results[i])
    return width


@pytest.mark.parametrize("dtype", DTYPES)
def test_arithmetic(dtype: type) -> None:
    x = np.random.default_rng(0).normal(0, 4, 16).astype(dtype)
    y = np.random.default_rng(1).normal(0, 4, 16).astype(dtype)
    out = np.zeros(7 * 16, dtype)
    width = _every(x, y, out)
    x, y, out = x[:width], y[:width], out[: 7 * width].reshape(7, width)
    exact = (x.astype(np.float64) * y + x).astype(dtype)
    # rounded once, where NumPy rounds twice
    tight = {"rtol": 4 * np.finfo(dtype).eps, "atol": 16 * np.finfo(dtype).eps}
    np.testing.assert_allclose(out[5], exact, **tight)
    expected = [x + y, x - y, x * y, x / y, np.maximum(x, y)]
    np.testing.assert_allclose(out[:5], expected, **tight)
    np.testing.assert_array_equal(out[6], np.where(x >= 2, y, 0))


@called
def _exponentials(x, out):
    for i in range(0, len(x), lanes(x)):
        store(out, i, exp_lanes(load(x, i)))
    return 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp(dtype: type) -> None:
    least = -87 if dtype is np.float32 else -708
    x = np.concatenate([np.linspace(least, 0, 16 * 1000), [0, -1e-30, -np.inf, np.nan] * 4])
    x = x.astype(dtype)
    out = np.zeros_like(x)
    _exponentials(x, out)
    expected = np.exp(np.maximum(x, least).astype(np.longdouble)).astype(dtype)
    # the error of the polynomial and of one product: two units in the last place
    np.testing.assert_allclose(out, expected, rtol=2 * np.finfo(dtype).eps)


@called
def _products(work, a, step_a, b, step_b, next_b, length, out, next_out, count, add):
    products(work, a, step_a, b, step_b, next_b, length, out, next_out, count, add)
    return lanes(work)


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("count", [1, 3, 4, 7])
@pytest.mark.parametrize("length", [1, 5])
def test_products_of_shifted_rows(length: int, count: int, add: bool) -> None:
    work = np.random.default_rng(0).normal(size=(40, 64))
    before = work.copy()
    width = _products(work, 64 + 20, 64, 10 * 64 + 20, 64, -1, length, 30 * 64, 64, count, add)
    a = before[1 : 1 + length, 20 : 20 + width]
    for r in range(count):
        b = before[10 : 10 + length, 20 - r : 20 - r + width]
        expected = (a * b).sum(0) + (before[30 + r, :width] if add else 0)
        np.testing.assert_allclose(work[30 + r, :width], expected, rtol=1e-13, atol=1e-14)
    work[30 : 30 + count, :width] = before[30 : 30 + count, :width]
    np.testing.assert_array_equal(work, before)


@called
def _plan(offsets, plan, whole, share, thread, team):
    make_plan(offsets, plan)
    kept = integers(plan)
    for i in range(len(kept)):
        whole[i] = kept[i]
    share[0], share[1] = ranks_of(offsets, plan, thread, team)
    return 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_words_are_ranked_by_length(dtype: type) -> None:
    lengths = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    offsets = np.cumsum([0, *lengths])
    plan = np.full(len(lengths) + sum(lengths) + 2, np.nan, dtype)
    whole, share = np.zeros(len(plan), np.int64), np.zeros(2, np.int64)
    _plan(offsets, plan, whole, share, *ALONE)
    words, sizes = whole[: len(lengths)], whole[len(lengths) :]
    assert words.tolist() == sorted(range(11), key=lambda b: -lengths[b])
    assert sizes[: max(lengths) + 1].tolist() == [
        sum(length > t for length in lengths) for t in range(max(lengths) + 1)
    ]
    assert share.tolist() == [0, len(lengths)]
    shares = []
    for threads in (2, 3, 7, 13):
        team = np.zeros((1 + threads, 8), np.int64)
        for thread in range(threads):
            _plan(offsets, plan, whole, share, thread, team)
            shares.append(share.tolist())
        own = shares[-threads:]
        assert own[0][0] == 0
        assert own[-1][1] == len(lengths)
        assert all(one[1] == other[0] for one, other in pairwise(own))
