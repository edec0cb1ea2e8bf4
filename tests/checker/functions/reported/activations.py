"""Activations and gates."""

import math

import torch
import torch.nn.functional as F

from checker.functions.reported.case import pair

ROOT = math.sqrt(2 / math.pi)
ONE = {"x": "B C"}
TWO = {"x": "B C", "y": "B C"}


def softcap(x):
    return 5.0 * torch.tanh(x / 5.0)


def softcap_right(dout, x):
    return dout * (1 - torch.tanh(x / 5.0) ** 2)


def softcap_wrong(dout, x):
    return dout


def gelu(x):
    return F.gelu(x, approximate="tanh")


def gelu_right(dout, x):
    t = torch.tanh(ROOT * (x + 0.044715 * x**3))
    return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ROOT * (1 + 3 * 0.044715 * x * x))


def gelu_wrong(dout, x):
    t = torch.tanh(ROOT * (x + 0.044715 * x**3))
    return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ROOT)


def silu_right(dout, x):
    s = torch.sigmoid(x)
    return dout * s * (1 + x * (1 - s))


def silu_wrong(dout, x):
    s = torch.sigmoid(x)
    return dout * s * (1 + x)


def swiglu(x, y):
    return F.silu(x) * y


def swiglu_right(dout, x, y):
    s = torch.sigmoid(x)
    return dout * y * s * (1 + x * (1 - s)), dout * x * s


def swiglu_wrong(dout, x, y):
    s = torch.sigmoid(x)
    return dout * y * s, dout * x * s


def swiglu_swapped(dout, x, y):
    dx, dy = swiglu_right(dout, x, y)
    return dy, dx


def squared_relu(x):
    return torch.relu(x).square()


def squared_right(dout, x):
    return 2 * torch.relu(x) * dout


def squared_wrong(dout, x):
    return torch.relu(x) * dout


def leaky(x):
    return F.leaky_relu(x, 0.1)


def leaky_right(dout, x):
    return torch.where(x > 0, dout, 0.1 * dout)


def leaky_wrong(dout, x):
    return torch.where(x > 0, dout, torch.zeros_like(dout))


def quick(x):
    return x * torch.sigmoid(1.702 * x)


def quick_right(dout, x):
    s = torch.sigmoid(1.702 * x)
    return dout * (s + 1.702 * x * s * (1 - s))


def quick_wrong(dout, x):
    s = torch.sigmoid(1.702 * x)
    return dout * (s + x * s * (1 - s))


def hardtanh_right(dout, x):
    return dout * ((x > -1) & (x < 1))


def hardtanh_wrong(dout, x):
    return dout


def masked_drop(x, keep):
    return x * keep / 0.8


def drop_right(dout, x, keep):
    return dout * keep / 0.8, None


def drop_wrong(dout, x, keep):
    return dout * keep, None


def elu_right(dout, x):
    return torch.where(x > 0, dout, dout * x.exp())


def elu_wrong(dout, x):
    return torch.where(x > 0, dout, dout * F.elu(x))


def softplus_right(dout, x):
    return dout * torch.sigmoid(x)


def softplus_wrong(dout, x):
    return dout * torch.tanh(x)


def square_right(dout, x):
    dout.flatten()[:1]
    return 2 * x * dout


def square_wrong(dout, x):
    dout[0]
    return 3 * x * dout + x


def mish_right(dout, x):
    t = torch.tanh(F.softplus(x))
    return dout * (t + x * (1 - t * t) * torch.sigmoid(x))


def mish_wrong(dout, x):
    t = torch.tanh(F.softplus(x))
    return dout * (t + x * (1 - t * t))


def scaled_tanh(x, scale):
    return torch.tanh(x * scale)


def scaled_right(dout, x, scale):
    d = dout * (1 - torch.tanh(x * scale) ** 2)
    return d * scale, (d * x).sum(0)


def scaled_wrong(dout, x, scale):
    d = dout * (1 - torch.tanh(x * scale) ** 2)
    return d, (d * x).sum(0)


CASES = {
    "softcap": pair(softcap, ONE, softcap_right, softcap_wrong, "HG188"),
    "gelu tanh": pair(gelu, ONE, gelu_right, gelu_wrong, "HG186"),
    "silu": pair(F.silu, ONE, silu_right, silu_wrong, "HG188", "HG109"),
    "swiglu": pair(swiglu, TWO, swiglu_right, swiglu_wrong, "HG186"),
    "swiglu swapped": pair(swiglu, TWO, swiglu_right, swiglu_swapped, "HG160"),
    "squared relu": pair(squared_relu, ONE, squared_right, squared_wrong, "HG162"),
    "leaky relu": pair(leaky, ONE, leaky_right, leaky_wrong, "HG186", "HG188", "HG189", "HG190"),
    "quick gelu": pair(quick, ONE, quick_right, quick_wrong, "HG188", "HG189"),
    "hardtanh": pair(F.hardtanh, ONE, hardtanh_right, hardtanh_wrong, "HG188"),
    "dropout": pair(
        masked_drop, (torch.randn(4, 6), (torch.rand(4, 6) > 0.3).float()), drop_right, drop_wrong,
        "HG162", "HG188", dims=("B C", "B C"), wrt=("x",)),
    "elu": pair(F.elu, ONE, elu_right, elu_wrong, "HG190", "HG188"),
    "softplus": pair(F.softplus, ONE, softplus_right, softplus_wrong, "HG188"),
    "square": pair(lambda x: x**2, ONE, square_right, square_wrong, "HG170"),
    "mish": pair(F.mish, ONE, mish_right, mish_wrong, "HG188"),
    "scaled tanh": pair(scaled_tanh, {"x": "B C", "s": "C"}, scaled_right, scaled_wrong, "HG188"),
}  # fmt: skip
