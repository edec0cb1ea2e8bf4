"""Products and transposes against NumPy's, with sizes around every edge of a tile."""

from itertools import product as every
from math import prod

import numpy as np
import pytest

from handgrad.engine.compiled.team import Team
from handgrad.kernels.jit import VECTOR_BYTES, called
from handgrad.kernels.product import LARGE, product, product_by_transposed, product_transposed
from handgrad.kernels.sums import column_sums
from handgrad.kernels.tile import ROWS
from handgrad.kernels.transpose import transpose


@called
def _all_products(a, b, bias, c, d, e, a_t, b_t, room, thread, team):
    product(a, b, bias, c, thread, team)
    product_by_transposed(a, b_t, room, d, thread, team)
    product_transposed(a_t, b, e, thread, team)
    return 0


@called
def _transpose(a, out, thread, team):
    transpose(a, out, thread, team)
    return 0


@called
def _column_sums(x, out, thread, team):
    column_sums(x, out, thread, team)
    return 0


TEAMS = [Team(threads) for threads in (1, 2, 3)]


def by(team: Team, function, *arguments: np.ndarray) -> None:
    team.run(lambda *of: function(*arguments, *of), team.most)


DTYPES = [np.float32, np.float64]
ROW_SIZES = [1, 2, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 1, 32]
LENGTHS = [1, 3, 30]
BY_BLAS = (130, 350, 370)  # LARGE, and of no particular shape
assert prod(BY_BLAS) >= LARGE


def widths(dtype: type) -> list[int]:
    vector = VECTOR_BYTES // np.dtype(dtype).itemsize
    return [1, vector - 1, vector, vector + 1, 2 * vector, 2 * vector + 1, 27, 5 * vector + 3]


def _multiply(
    a: np.ndarray, b: np.ndarray, bias: np.ndarray, made: list[np.ndarray], team: Team = TEAMS[0]
) -> None:
    """Return a @ b, computed in every way."""
    turned = [np.ascontiguousarray(x.T) for x in (a, b)]
    by(team, _all_products, a, b, bias, *made, *turned, np.empty_like(b))


def guarded(shape: tuple[int, int], dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Return an array and the memory that contains it, with numbers after its end."""
    memory = np.full(shape[0] * shape[1] + 64, 7, dtype)
    return memory[: shape[0] * shape[1]].reshape(shape), memory


@pytest.mark.parametrize("dtype", DTYPES)
def test_products(dtype: type) -> None:
    draw = np.random.default_rng(1).standard_normal
    # each term rounds once, and so does each sum: length + 1 roundings of what is at most that sum
    for rows, length, columns in [*every(ROW_SIZES, LENGTHS, widths(dtype)), BY_BLAS]:
        a, b = draw((rows, length)).astype(dtype), draw((length, columns)).astype(dtype)
        bias = draw(columns).astype(dtype)
        made = [guarded((rows, columns), dtype) for _ in range(3)]
        _multiply(a, b, bias, [c for c, _ in made])
        wide_a, wide_b = a.astype(np.longdouble), b.astype(np.longdouble)
        bound = (length + 1) * np.finfo(dtype).eps * (abs(wide_a) @ abs(wide_b) + abs(bias))
        for (c, memory), added in zip(made, (bias, 0, 0), strict=True):
            assert (abs(c - (wide_a @ wide_b + added)) <= bound).all(), (rows, length, columns)
            assert (memory[c.size :] == 7).all(), (rows, length, columns)
        for team in TEAMS[1:]:
            shared = [guarded((rows, columns), dtype) for _ in range(3)]
            _multiply(a, b, bias, [c for c, _ in shared], team)
            for (_, alone), (_, together) in zip(made, shared, strict=True):
                np.testing.assert_array_equal(together, alone, err_msg=f"{team.most} threads")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nan_or_an_infinity_reaches_its_row_and_column_alone(dtype: type) -> None:
    for rows, length, columns in [(8, 5, 27), BY_BLAS]:
        a, b = np.ones((rows, length), dtype), np.ones((length, columns), dtype)
        a[3, 2], b[1, 20] = np.nan, np.inf
        # a product of zeros may not be left out
        a[:, 1], b[2] = 0, 0
        made = [np.full((rows, columns), np.nan, dtype) for _ in range(3)]
        _multiply(a, b, np.zeros(columns, dtype), made)
        expected = np.full((rows, columns), length - 2.0)
        expected[3], expected[:, 20] = np.nan, np.nan
        for c in made:
            np.testing.assert_array_equal(c, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_transposes(dtype: type) -> None:
    draw = np.random.default_rng(1).standard_normal
    for rows, columns in every(widths(dtype), widths(dtype)):
        a = draw((rows, columns)).astype(dtype)
        for team in TEAMS:
            out, memory = guarded((columns, rows), dtype)
            by(team, _transpose, a, out)
            np.testing.assert_array_equal(out, a.T)
            assert (memory[a.size :] == 7).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_column_sums(dtype: type) -> None:
    draw = np.random.default_rng(1).standard_normal
    for rows, columns in every([1, 2, 3, 4, 5, 8, 33], [1, 8, 27]):
        x = draw((rows, columns)).astype(dtype)
        for team in TEAMS:
            out = np.full(columns, 7, dtype)
            by(team, _column_sums, x, out)
            # rows roundings of sums that are at most the sum of the absolute values
            bound = rows * np.finfo(dtype).eps * abs(x).sum(0)
            assert (abs(out - x.astype(np.longdouble).sum(0)) <= bound).all()
