"""The tail of the normal distribution in plain arithmetic, so that a loop over it vectorises.

P(Z > z) = exp(-z**2 / 2) q(z) for z at least 0, where q(z) = p(u) / (4 + z), u = (4 - z) / (4 + z)
and p is the Chebyshev fit on -1 < u <= 1 (as in Shepherd, Laframboise 1981 for erfc). All digits of
a small tail are correct, unlike those of (1 + erf(-z / sqrt(2))) / 2.
"""

import math
from typing import Any

import numpy as np
from numba.extending import overload

from handgrad.kernels.jit import OPTIONS, inlined

# p's coefficients, the highest power first
_A0, _A1, _A2, _A3, _A4, _A5, _A6, _A7, _A8, _A9 = map(
    np.float32,
    (
        1.573205695845843e-4,
        1.2932568134075276e-4,
        -1.5637868988265602e-3,
        -3.4761678949089226e-3,
        7.5122313817515655e-3,
        6.039529586995691e-2,
        0.18652671087172498,
        0.3871375629108491,
        0.6078964038146354,
        0.7552851271355856,
    ),
)  # error 2e-8
_B0, _B1, _B2, _B3, _B4, _B5, _B6, _B7, _B8, _B9, _B10, _B11 = (
    1.199778259205871e-10,
    -1.6886576978674315e-09,
    5.873626438818251e-10,
    1.606738696448885e-08,
    -1.7844927690868797e-08,
    -7.878360344533557e-08,
    1.5977396130517592e-07,
    2.64733728224391e-07,
    -1.0247851015508443e-06,
    -6.249551077797612e-07,
    5.9216110458637275e-06,
    7.146021531397258e-07,
)
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11 = (
    -3.514511190281504e-05,
    -1.9076760307236927e-06,
    2.3109501736276887e-04,
    1.3334420916014878e-04,
    -1.6308184674099077e-03,
    -3.4796923566515025e-03,
    7.540188967386312e-03,
    6.039657489036092e-02,
    0.1865218579596366,
    0.3871374007422266,
    0.6078966419718923,
    0.7552851304157514,
)  # error 1e-17


@inlined
def _p32(u: Any) -> Any:
    high = ((((_A0 * u + _A1) * u + _A2) * u + _A3) * u + _A4) * u + _A5
    return (((high * u + _A6) * u + _A7) * u + _A8) * u + _A9


@inlined
def _p64(u: Any) -> Any:
    high = (((((_B0 * u + _B1) * u + _B2) * u + _B3) * u + _B4) * u + _B5) * u + _B6
    middle = ((((high * u + _B7) * u + _B8) * u + _B9) * u + _B10) * u + _B11
    low = (((((middle * u + _C0) * u + _C1) * u + _C2) * u + _C3) * u + _C4) * u + _C5
    return (((((low * u + _C6) * u + _C7) * u + _C8) * u + _C9) * u + _C10) * u + _C11


_P = {32: _p32, 64: _p64}
_TYPES = {32: np.float32, 64: np.float64}


def scaled_tail(z: Any) -> Any:
    """Return q(z) = exp(z**2 / 2) P(Z > z) for z at least 0. NaN gives NaN."""
    return math.exp(z * z / 2) * math.erfc(z * math.sqrt(0.5)) / 2


@overload(scaled_tail, inline="always", jit_options=OPTIONS)  # type: ignore[untyped-decorator]
def _scaled_tail(z: Any) -> Any:
    one, four = map(_TYPES[z.bitwidth], (1, 4))
    p = _P[z.bitwidth]

    def compiled(z: Any) -> Any:
        share = one / (four + z)
        return p((four - z) * share) * share

    return compiled
