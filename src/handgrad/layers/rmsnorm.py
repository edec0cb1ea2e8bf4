"""RMSNorm over the last dimension: out = gain * x / sqrt(mean(x**2) + eps).

x (..., C), gain (C,) or None; the mean square ms and rstd = (ms + EPS)**-0.5 are (..., 1).
Zhang, Sennrich: Root Mean Square Layer Normalization, 2019, arXiv:1910.07467.
Derivation: docs/derivations/rmsnorm.md
"""

from typing import NamedTuple

import torch
from torch import Tensor

from handgrad.constants import NORM_EPS as EPS
from handgrad.constants import RMSNORM_NODES
from handgrad.layers.rows import flat_rows

INPUTS = ("x", "gain")
NODES = RMSNORM_NODES


class _Cache(NamedTuple):
    """backward needs norm = x * rstd, but not x."""

    norm: Tensor  # (..., C)
    rstd: Tensor  # (..., 1)
    gain: Tensor | None


def forward(x: Tensor, gain: Tensor | None = None) -> tuple[Tensor, _Cache]:
    """Return the output, which has the shape of x."""
    rstd = torch.rsqrt((x * x).mean(-1, keepdim=True).add_(EPS))
    norm = x * rstd
    return norm if gain is None else norm * gain, _Cache(norm, rstd, gain)


def backward(dout: Tensor, cache: _Cache) -> tuple[Tensor, Tensor | None]:
    """Return (dx, dgain), where dx = rstd * (dnorm - norm * mean(dnorm * norm)).

    dnorm = gain * dout; dgain is None without a gain.
    """
    norm, rstd, gain = cache
    product = dout * norm
    dgain = None
    dnorm = dout
    if gain is not None:
        dgain = flat_rows(product).sum(0)
        product, dnorm = product * gain, dout * gain
    dx = torch.addcmul(dnorm, norm, product.mean(-1, keepdim=True), value=-1).mul_(rstd)
    return dx, dgain


def forward_chunked(x: Tensor, gain: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line; cache every step."""
    x2 = x**2
    ms = x2.mean(-1, keepdim=True)  # (..., 1)
    rstd = (ms + EPS) ** -0.5
    norm = x * rstd  # (..., C)
    out = norm.clone() if gain is None else norm * gain  # every node is a tensor of its own
    cache = {"x": x, **dict(zip(NODES, (x2, ms, rstd, norm, out), strict=True))}
    return out, cache if gain is None else {**cache, "gain": gain}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return every step's gradient."""
    x, ms, rstd, norm = cache["x"], cache["ms"], cache["rstd"], cache["norm"]
    grads = {}
    # out = norm * gain
    if "gain" in cache:
        dgain = flat_rows(dout * norm).sum(0)
        dnorm = dout * cache["gain"]
        grads["gain"] = dgain
    else:
        dnorm = dout.clone()
    # norm = x * rstd
    drstd = (dnorm * x).sum(-1, keepdim=True)
    dx = dnorm * rstd
    # rstd = (ms + EPS) ** -0.5
    dms = (-0.5 * (ms + EPS) ** -1.5) * drstd
    # ms = x2.mean(-1, keepdim=True)
    dx2 = dms.expand_as(x) / x.shape[-1]
    # x2 = x**2
    dx = dx + dx2 * (2 * x)
    return {"x": dx, **grads, "x2": dx2, "ms": dms, "rstd": drstd, "norm": dnorm}
