"""Layer normalisation over the last dimension: out = gain * (x - mean) / sqrt(var + EPS) + bias.

x (..., C), gain and bias (C,), mean and var (..., 1); var divides by C, without Bessel's
correction, as torch.nn.LayerNorm does.
Ba, Kiros, Hinton: Layer Normalization, 2016, arXiv:1607.06450.
Derivation: docs/derivations/layernorm.md
"""

from typing import NamedTuple

import torch
from torch import Tensor

from handgrad.constants import LAYERNORM_NODES
from handgrad.constants import NORM_EPS as EPS
from handgrad.layers.rows import flat_rows

INPUTS = ("x", "gain", "bias")
NODES = LAYERNORM_NODES


class _Cache(NamedTuple):
    """backward needs norm, but neither x nor the mean."""

    norm: Tensor  # (..., C)
    rstd: Tensor  # (..., 1)
    gain: Tensor


def forward(x: Tensor, gain: Tensor, bias: Tensor) -> tuple[Tensor, _Cache]:
    """Return the output, which has the shape of x."""
    diff = x - x.mean(-1, keepdim=True)
    # two passes: a mean of squares minus a squared mean would cancel if the mean is large
    rstd = torch.rsqrt((diff * diff).mean(-1, keepdim=True).add_(EPS))
    norm = diff.mul_(rstd)
    return torch.addcmul(bias, norm, gain), _Cache(norm, rstd, gain)


def backward(dout: Tensor, cache: _Cache) -> tuple[Tensor, Tensor, Tensor]:
    """Return (dx, dgain, dbias), where, with dnorm = gain * dout and means over a row,

    dx = rstd * (dnorm - mean(dnorm) - norm * mean(dnorm * norm)).
    """
    norm, rstd, gain = cache
    product = dout * norm
    dgain, dbias = flat_rows(product).sum(0), flat_rows(dout).sum(0)
    dnorm = dout * gain
    along = product.mul_(gain).mean(-1, keepdim=True)  # (..., 1)
    centred = dnorm.sub_(dnorm.mean(-1, keepdim=True))
    return centred.addcmul_(norm, along, value=-1).mul_(rstd), dgain, dbias


def forward_chunked(x: Tensor, gain: Tensor, bias: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line; cache every step."""
    mean = x.mean(-1, keepdim=True)  # (..., 1)
    diff = x - mean  # (..., C)
    diff2 = diff**2
    var = diff2.mean(-1, keepdim=True)  # (..., 1)
    rstd = (var + EPS) ** -0.5
    norm = diff * rstd  # (..., C)
    out = norm * gain + bias
    steps = (mean, diff, diff2, var, rstd, norm, out)
    return out, {"x": x, "gain": gain, "bias": bias, **dict(zip(NODES, steps, strict=True))}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return every step's gradient."""
    diff, var, rstd, norm = cache["diff"], cache["var"], cache["rstd"], cache["norm"]
    n = diff.shape[-1]
    # out = norm * gain + bias
    dbias = flat_rows(dout).sum(0)
    dgain = flat_rows(dout * norm).sum(0)
    dnorm = dout * cache["gain"]
    # norm = diff * rstd
    drstd = (dnorm * diff).sum(-1, keepdim=True)
    ddiff = dnorm * rstd
    # rstd = (var + EPS) ** -0.5
    dvar = (-0.5 * (var + EPS) ** -1.5) * drstd
    # var = diff2.mean(-1, keepdim=True)
    ddiff2 = dvar.expand_as(diff) / n
    # diff2 = diff**2
    ddiff = ddiff + ddiff2 * (2 * diff)
    # diff = x - mean
    dmean = (-ddiff).sum(-1, keepdim=True)
    dx = ddiff.clone()
    # mean = x.mean(-1, keepdim=True)
    dx += dmean.expand_as(diff) / n
    return {
        "x": dx,
        "gain": dgain,
        "bias": dbias,
        "mean": dmean,
        "diff": ddiff,
        "diff2": ddiff2,
        "var": dvar,
        "rstd": drstd,
        "norm": dnorm,
    }
