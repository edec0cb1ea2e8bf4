"""GELU: h = hpreact * cdf(hpreact), elementwise, any shape; cdf is that of the normal distribution.

exact:     cdf(x) = (1 + erf(x / sqrt(2))) / 2
otherwise: cdf(x) = (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))) / 2, an approximation, as in GPT-2
and makemore's NewGELU. Hendrycks, Gimpel: Gaussian Error Linear Units, 2016, arXiv:1606.08415.
Derivation: docs/derivations/gelu.md
"""

import math

import torch
from torch import Tensor

from handgrad.constants import GELU_NODES

INPUTS = ("hpreact",)
NODES = GELU_NODES

SLOPE = math.sqrt(2 / math.pi)
CUBIC = 0.044715


def forward(hpreact: Tensor, *, exact: bool) -> tuple[Tensor, Tensor]:
    """Return h and the cache, which is hpreact: backward computes the rest again."""
    form = "none" if exact else "tanh"
    return torch.nn.functional.gelu(hpreact, approximate=form), hpreact


def backward(dout: Tensor, cache: Tensor, *, exact: bool) -> tuple[Tensor]:
    """Return (dhpreact,) = (dout * (cdf + hpreact * pdf),), where pdf is the derivative of cdf."""
    x = cache
    x2 = x * x
    if exact:
        cdf = torch.erf(x * math.sqrt(0.5)).add_(1).mul_(0.5)
        pdf = x2.mul_(-0.5).exp_().mul_(SLOPE / 2)
    else:
        squashed = (x2 * (SLOPE * CUBIC)).add_(SLOPE).mul_(x).tanh_()
        pdf = x2.mul_(3 * SLOPE * CUBIC / 2).add_(SLOPE / 2)
        pdf.mul_(1 - squashed * squashed)
        cdf = squashed.add_(1).mul_(0.5)
    return (cdf.addcmul_(x, pdf).mul_(dout),)


def forward_chunked(hpreact: Tensor, *, exact: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line; cache every step."""
    x = hpreact
    inner = x / math.sqrt(2) if exact else SLOPE * (x + CUBIC * x**3)
    squashed = torch.erf(inner) if exact else torch.tanh(inner)
    cdf = 0.5 * (1 + squashed)
    h = x * cdf
    return h, {"hpreact": hpreact, "inner": inner, "squashed": squashed, "cdf": cdf, "h": h}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor], *, exact: bool) -> dict[str, Tensor]:
    """Return every step's gradient."""
    x, inner, squashed, cdf = (cache[name] for name in ("hpreact", *NODES[:-1]))
    # h = x * cdf
    dhpreact = dout * cdf
    dcdf = dout * x
    # cdf = 0.5 * (1 + squashed)
    dsquashed = 0.5 * dcdf
    if exact:
        # squashed = torch.erf(inner)
        dinner = 2 / math.sqrt(math.pi) * torch.exp(-(inner**2)) * dsquashed
        # inner = x / math.sqrt(2)
        dhpreact = dhpreact + dinner / math.sqrt(2)
    else:
        # squashed = torch.tanh(inner)
        dinner = (1 - squashed**2) * dsquashed
        # inner = SLOPE * (x + CUBIC * x**3)
        dhpreact = dhpreact + SLOPE * (1 + CUBIC * 3 * x**2) * dinner
    return {"hpreact": dhpreact, "inner": dinner, "squashed": dsquashed, "cdf": dcdf}
