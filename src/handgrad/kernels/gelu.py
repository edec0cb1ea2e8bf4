"""GELU on given memory, any shape. Specification: layers/gelu.py.

forward also keeps the derivative of each number, `slope`, while tanh is at hand: backward is then
one product.
"""

import math
from typing import Any

from handgrad.constants import GELU_NODES
from handgrad.kernels.exponential import exp_of_negative, tanh
from handgrad.kernels.jit import flat, kernel
from handgrad.kernels.normal import scaled_tail
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.team import numbers_of

NODES = GELU_NODES

_SLOPE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def memory(hpreact: Shape, *, exact: bool) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {"h": hpreact, "slope": hpreact}


@kernel
def forward(hpreact: Any, h: Any, slope: Any, exact: bool, thread: int, team: Any) -> None:
    x, out, derivative = flat(hpreact), flat(h), flat(slope)
    begin, end = numbers_of(h, thread, team)
    if exact:
        _by_erf(x, out, derivative, begin, end)
    else:
        _by_tanh(x, out, derivative, begin, end)


@kernel
def _by_tanh(x: Any, out: Any, derivative: Any, begin: int, end: int) -> None:
    kind = x.dtype.type
    one, half, linear, cubic = kind(1), kind(0.5), kind(_SLOPE), kind(_SLOPE * _CUBIC)
    of_linear, of_cubic = kind(_SLOPE / 2), kind(1.5 * _SLOPE * _CUBIC)
    for i in range(begin, end):
        square = x[i] * x[i]
        squashed = tanh(x[i] * (linear + cubic * square))
        cdf = half + half * squashed
        pdf = (one - squashed * squashed) * (of_linear + of_cubic * square)
        out[i] = x[i] * cdf
        derivative[i] = cdf + x[i] * pdf


@kernel
def _by_erf(x: Any, out: Any, derivative: Any, begin: int, end: int) -> None:
    kind = x.dtype.type
    zero, one, half, density = kind(0), kind(1), kind(0.5), kind(_SLOPE / 2)
    for i in range(begin, end):
        bell = exp_of_negative(-half * x[i] * x[i])
        tail = bell * scaled_tail(abs(x[i]))
        cdf = tail if x[i] < zero else one - tail
        pdf = density * bell
        out[i] = x[i] * cdf
        derivative[i] = cdf + x[i] * pdf


@kernel
def backward(dh: Any, slope: Any, dhpreact: Any, thread: int, team: Any) -> None:
    """Compute dhpreact = dh slope."""
    dout, derivative, dx = flat(dh), flat(slope), flat(dhpreact)
    begin, end = numbers_of(slope, thread, team)
    for i in range(begin, end):
        dx[i] = dout[i] * derivative[i]
