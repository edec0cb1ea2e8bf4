"""exp, tanh and the sigmoid in plain arithmetic: loops vectorise, unlike one over math.exp.

x = k ln 2 + r with |r| <= ln 2 / 2; expm1(r) = r + r**2 p(r), where p is the Chebyshev fit of
(expm1(r) - r) / r**2 on that range (as in Hart et al.: Computer Approximations, 1968). Then
exp(x) = 2**k (1 + expm1(r)), and tanh(x) = t / (t + 2) with t = expm1(2 x), which keeps all digits
near 0.
"""

import math
from typing import Any

import numpy as np
from numba.extending import overload

from handgrad.kernels.jit import OPTIONS, inlined, nearest, power_of_two, without_product

# p's coefficients, the highest power first
_A0, _A1, _A2, _A3, _A4 = map(
    np.float32,
    (1.3926181810489343e-3, 8.363177629994445e-3, 4.1666554627878084e-2, 0.16666576998242924, 0.5),
)  # error 6.5e-8
_B0, _B1, _B2, _B3, _B4, _B5, _B6, _B7, _B8, _B9, _B10 = (
    2.0914685161418067e-09,
    2.5105214474751413e-08,
    2.7557273647451087e-07,
    2.7557255406285044e-06,
    2.480158732554432e-05,
    1.9841269874815834e-04,
    1.388888888888375e-03,
    8.333333333326136e-03,
    4.166666666666667e-02,
    0.1666666666666667,
    0.5,
)  # error 1.4e-18


@inlined
def _p32(r: Any) -> Any:
    return (((_A0 * r + _A1) * r + _A2) * r + _A3) * r + _A4


@inlined
def _p64(r: Any) -> Any:
    low = ((((_B0 * r + _B1) * r + _B2) * r + _B3) * r + _B4) * r + _B5
    return ((((low * r + _B6) * r + _B7) * r + _B8) * r + _B9) * r + _B10


_P = {32: _p32, 64: _p64}
_TYPES = {32: np.float32, 64: np.float64}
_LN2 = {32: (0.693359375, -2.12194440e-4), 64: (6.93147180369123816490e-1, 1.9082149292705877e-10)}
"""ln 2 in two parts (Cody, Waite: Software Manual, 1980)."""
_MOST = {32: 87.0, 64: 708.0}
"""exp(-_MOST) is just above the smallest normal number; smaller arguments are clamped to it."""


def exp_of_negative(x: Any) -> Any:
    """Return exp(x) for x at most 0. NaN gives NaN."""
    return math.exp(x)


def tanh(x: Any) -> Any:
    """Return tanh(x). NaN gives NaN."""
    return math.tanh(x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)). NaN gives NaN."""
    return 1 / (1 + math.exp(-x))


@overload(exp_of_negative, inline="always", jit_options=OPTIONS)  # type: ignore[untyped-decorator]
def _exp_of_negative(x: Any) -> Any:
    # constants in the type of x: a float64 constant would make every operation float64
    of_type: Any = _TYPES[x.bitwidth]
    least, one, log2e = map(of_type, (-_MOST[x.bitwidth], 1, math.log2(math.e)))
    (high, low), p = map(of_type, _LN2[x.bitwidth]), _P[x.bitwidth]

    def compiled(x: Any) -> Any:
        y = least if x < least else x  # keeps NaN
        k = nearest(y * log2e)
        r = without_product(without_product(y, k, high), k, low)
        return (one + (r + r * r * p(r))) * power_of_two(k)

    return compiled


@overload(tanh, inline="always", jit_options=OPTIONS)  # type: ignore[untyped-decorator]
def _tanh(x: Any) -> Any:
    of_type: Any = _TYPES[x.bitwidth]
    one, two, log2e = map(of_type, (1, 2, math.log2(math.e)))
    largest = of_type(40)  # tanh of half of it rounds to 1
    (high, low), p = map(of_type, _LN2[x.bitwidth]), _P[x.bitwidth]

    def compiled(x: Any) -> Any:
        z = two * abs(x)
        y = largest if z > largest else z  # keeps NaN
        k = nearest(y * log2e)
        r = without_product(without_product(y, k, high), k, low)
        scale = power_of_two(k)
        t = (r + r * r * p(r)) * scale + (scale - one)
        return math.copysign(t / (t + two), x)

    return compiled


@overload(sigmoid, inline="always", jit_options=OPTIONS)  # type: ignore[untyped-decorator]
def _sigmoid(x: Any) -> Any:
    zero, one = map(_TYPES[x.bitwidth], (0, 1))

    def compiled(x: Any) -> Any:
        small = exp_of_negative(-abs(x))  # of the side that cannot overflow
        return (small if x < zero else one) / (one + small)

    return compiled
