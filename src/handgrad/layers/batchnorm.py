"""Batch normalisation over all but the last dimension, with Bessel's correction.

bnraw = (x - mean) / sqrt(var + eps), out = bngain * bnraw + bnbias; var divides by n - 1.
x (..., H) with n = the product of the leading dimensions; bngain, bnbias, mean, var (1, H).
Ioffe, Szegedy: Batch Normalization, 2015, arXiv:1502.03167, which divides by n in training; the
lecture divides by n - 1 throughout, and so does this. Derivation: docs/derivations/batchnorm.md
"""

from typing import NamedTuple

import torch
from torch import Tensor

from handgrad.constants import BATCHNORM_EPS as EPS
from handgrad.constants import BATCHNORM_NODES
from handgrad.errors import SettingsError
from handgrad.layers.rows import flat_rows

INPUTS = ("x", "bngain", "bnbias")
STATE = ("mean", "var")
NODES = BATCHNORM_NODES


class _Cache(NamedTuple):
    """backward needs bnraw, but neither x nor the mean."""

    bnraw: Tensor  # (..., H)
    bnvar_inv: Tensor  # (1, H)
    bngain: Tensor
    bnmeani: Tensor
    bnvar: Tensor


def forward(x: Tensor, bngain: Tensor, bnbias: Tensor) -> tuple[Tensor, _Cache]:
    """Normalise by the batch's statistics. Raises SettingsError for fewer than two rows."""
    rows = _rows(x)
    bnmeani = rows.mean(0, keepdim=True)
    bndiff = rows - bnmeani
    # two passes of sums: torch.var_mean takes four times as long on the columns of a small batch
    bnvar = (bndiff * bndiff).sum(0, keepdim=True).div_(rows.shape[0] - 1)
    bnvar_inv = torch.rsqrt(bnvar + EPS)
    bnraw = bndiff.mul_(bnvar_inv).view_as(x)
    out = torch.addcmul(bnbias, bngain, bnraw)
    return out, _Cache(bnraw, bnvar_inv, bngain, bnmeani, bnvar)


def backward(dout: Tensor, cache: _Cache) -> tuple[Tensor, Tensor, Tensor]:
    """Return (dx, dbngain, dbnbias), where

    dx = bngain * bnvar_inv * (dout - sum(dout) / n - bnraw * sum(dout * bnraw) / (n - 1)).
    """
    bnraw, bnvar_inv, bngain = cache.bnraw, cache.bnvar_inv, cache.bngain
    drows = _rows(dout)
    n = drows.shape[0]
    dbnbias = drows.sum(0, keepdim=True)
    dbngain = (drows * _rows(bnraw)).sum(0, keepdim=True)
    centred = torch.addcmul(dout - dbnbias / n, bnraw, dbngain, value=-1.0 / (n - 1))
    return centred.mul_(bngain * bnvar_inv), dbngain, dbnbias


def forward_chunked(x: Tensor, bngain: Tensor, bnbias: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line; cache every step."""
    rows = _rows(x)
    n = rows.shape[0]
    bnmeani = 1 / n * rows.sum(0, keepdim=True)  # (1, H)
    bndiff = x - bnmeani  # (..., H)
    bndiff2 = bndiff**2
    bnvar = 1 / (n - 1) * _rows(bndiff2).sum(0, keepdim=True)  # (1, H), Bessel's n - 1
    bnvar_inv = (bnvar + EPS) ** -0.5
    bnraw = bndiff * bnvar_inv  # (..., H)
    out = bngain * bnraw + bnbias
    steps = (bnmeani, bndiff, bndiff2, bnvar, bnvar_inv, bnraw, out)
    cache = {"x": x, "bngain": bngain, "bnbias": bnbias, **dict(zip(NODES, steps, strict=True))}
    return out, cache


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return every step's gradient, with autograd's bits at the lecture's sizes."""
    bndiff, bnvar, bnvar_inv = cache["bndiff"], cache["bnvar"], cache["bnvar_inv"]
    bnraw, bngain = cache["bnraw"], cache["bngain"]
    n = _rows(dout).shape[0]
    # out = bngain * bnraw + bnbias
    dbnbias = _rows(dout).sum(0, keepdim=True)
    dbngain = _rows(bnraw * dout).sum(0, keepdim=True)
    dbnraw = bngain * dout
    # bnraw = bndiff * bnvar_inv
    dbnvar_inv = _rows(bndiff * dbnraw).sum(0, keepdim=True)
    dbndiff = bnvar_inv * dbnraw
    # bnvar_inv = (bnvar + EPS) ** -0.5
    dbnvar = (-0.5 * (bnvar + EPS) ** -1.5) * dbnvar_inv
    # bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)
    dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff) * dbnvar
    # bndiff2 = bndiff**2
    dbndiff += (2 * bndiff) * dbndiff2
    # bndiff = x - bnmeani
    dbnmeani = _rows(-dbndiff).sum(0, keepdim=True)
    dx = dbndiff.clone()
    # bnmeani = 1 / n * x.sum(0, keepdim=True)
    dx += 1 / n * torch.ones_like(bndiff) * dbnmeani
    return {
        "x": dx,
        "bngain": dbngain,
        "bnbias": dbnbias,
        "bnmeani": dbnmeani,
        "bndiff": dbndiff,
        "bndiff2": dbndiff2,
        "bnvar": dbnvar,
        "bnvar_inv": dbnvar_inv,
        "bnraw": dbnraw,
    }


def evaluate(x: Tensor, bngain: Tensor, bnbias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """Normalise by given statistics (1, H): no row depends on other rows."""
    return torch.addcmul(bnbias, bngain, (x - mean) * torch.rsqrt(var + EPS))


def update_state(
    state: tuple[Tensor, Tensor], cache: "_Cache | dict[str, Tensor]", *, momentum: float
) -> tuple[Tensor, Tensor]:
    """Return the running mean and variance, moved towards the batch's, from either cache."""
    if isinstance(cache, dict):
        mean, var = cache["bnmeani"].detach(), cache["bnvar"].detach()
    else:
        mean, var = cache.bnmeani, cache.bnvar
    return torch.lerp(state[0], mean, momentum), torch.lerp(state[1], var, momentum)


def moments(x: Tensor, bngain: Tensor, bnbias: Tensor) -> tuple[int, Tensor, Tensor]:
    """Return the number of rows, their mean and their summed squared differences, in float64."""
    rows = flat_rows(x).double()
    var, mean = torch.var_mean(rows, 0, keepdim=True, correction=0)
    return len(rows), mean, var * len(rows)


def _rows(x: Tensor) -> Tensor:
    """Return (..., H) as (n, H). Raises SettingsError for fewer than two rows."""
    rows = flat_rows(x)
    if rows.shape[0] < 2:
        raise SettingsError(
            f"batchnorm needs at least 2 rows, got {rows.shape[0]}: the variance divides by n - 1"
        )
    return rows
