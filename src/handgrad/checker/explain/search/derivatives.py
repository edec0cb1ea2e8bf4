"""Elementwise functions and their derivatives, as one writes them: {x} goes in, {y} comes out."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_Fn = Callable[[Tensor], Tensor]
_Local = Callable[[Tensor, Tensor], Tensor]
_GELU = math.sqrt(2 / math.pi)


@dataclass(frozen=True)
class Derivative:
    """A function and dy/dx. `text` is its derivative, `local` the same of (x, y)."""

    name: str
    function: _Fn
    text: str
    local: _Local


def _sigmoid_slope(x: Tensor, y: Tensor) -> Tensor:
    return y * (1 - y)


def _gelu_slope(x: Tensor, y: Tensor) -> Tensor:
    bell = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * bell


def _gelu_tanh_slope(x: Tensor, y: Tensor) -> Tensor:
    t = torch.tanh(_GELU * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _GELU * (1 + 3 * 0.044715 * x * x)


_T = "torch.tanh(0.7978845608028654 * ({x} + 0.044715 * {x}**3))"

DERIVATIVES: tuple[Derivative, ...] = (
    Derivative("tanh", torch.tanh, "1 - {y}**2", lambda x, y: 1 - y * y),
    Derivative("sigmoid", torch.sigmoid, "{y} * (1 - {y})", _sigmoid_slope),
    Derivative("relu", torch.relu, "{x} > 0", lambda x, y: (x > 0).to(x)),
    Derivative("exp", torch.exp, "{y}", lambda x, y: y),
    Derivative("log", torch.log, "1 / {x}", lambda x, y: 1 / x),
    Derivative("sqrt", torch.sqrt, "0.5 / {y}", lambda x, y: 0.5 / y),
    Derivative("rsqrt", torch.rsqrt, "-0.5 * {y}**3", lambda x, y: -0.5 * y**3),
    Derivative("reciprocal", torch.reciprocal, "-{y}**2", lambda x, y: -y * y),
    Derivative("square", torch.square, "2 * {x}", lambda x, y: 2 * x),
    Derivative("sin", torch.sin, "torch.cos({x})", lambda x, y: torch.cos(x)),
    Derivative("cos", torch.cos, "-torch.sin({x})", lambda x, y: -torch.sin(x)),
    Derivative("abs", torch.abs, "torch.sign({x})", lambda x, y: torch.sign(x)),
    Derivative("softplus", F.softplus, "torch.sigmoid({x})", lambda x, y: torch.sigmoid(x)),
    Derivative(
        "silu",
        F.silu,
        "torch.sigmoid({x}) * (1 + {x} * (1 - torch.sigmoid({x})))",
        lambda x, y: torch.sigmoid(x) * (1 + x * (1 - torch.sigmoid(x))),
    ),
    Derivative(
        "gelu",
        F.gelu,
        "0.5 * (1 + torch.erf({x} / 2**0.5)) + {x} * torch.exp(-{x}**2 / 2) / (2 * torch.pi)**0.5",
        _gelu_slope,
    ),
    Derivative(
        "gelu with approximate='tanh'",
        lambda x: F.gelu(x, approximate="tanh"),
        f"0.5 * (1 + {_T}) + 0.5 * {{x}} * (1 - {_T}**2) * 0.7978845608028654 "
        "* (1 + 0.134145 * {x}**2)",
        _gelu_tanh_slope,
    ),
    Derivative("log1p", torch.log1p, "1 / (1 + {x})", lambda x, y: 1 / (1 + x)),
    Derivative("expm1", torch.expm1, "{y} + 1", lambda x, y: y + 1),
    Derivative("erf", torch.erf, "2 / torch.pi**0.5 * torch.exp(-{x}**2)",
               lambda x, y: 2 / math.pi**0.5 * torch.exp(-x * x)),
    Derivative("elu", F.elu, "torch.where({x} > 0, 1.0, {y} + 1)",
               lambda x, y: torch.where(x > 0, torch.ones_like(x), y + 1)),
    Derivative("leaky_relu", F.leaky_relu, "torch.where({x} > 0, 1.0, 0.01)",
               lambda x, y: torch.where(x > 0, torch.ones_like(x), torch.full_like(x, 0.01))),
)  # fmt: skip


def derivative_of(x: Tensor, y: Tensor, called: str) -> Derivative | None:
    """Return the row whose function makes `y` of `x`; `called` is what torch calls the function."""
    for row in DERIVATIVES:
        if row.name.split()[0] == called.strip("_") and x.shape == y.shape:
            made = row.function(x)
            if torch.allclose(made, y, rtol=1e-5, atol=1e-8, equal_nan=True):
                return row
    return None
