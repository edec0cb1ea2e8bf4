"""Norms, dropout and attention."""

import math

import torch

from handgrad.checker.write.closed_forms import closed_form
from handgrad.checker.write.rules.rule import Forms, NoRule, OpCall, Rule, whole

Dims = int | tuple[int, ...]


def _normalised(dims: Dims, dxhat: str, x: str = "input") -> dict[str, str]:
    """Return the closed form over `dims` of `x`, and the steps that it needs."""
    return {
        "$rstd": closed_form("rstd", x=x, dims=dims, correction=0, eps="eps"),
        "$xhat": closed_form("xhat", x=x, dims=dims, rstd="rstd"),
        "$dxhat": dxhat,
        "input": closed_form("norm_of_means", d="dxhat", dims=dims),
    }


def _last(c: OpCall) -> Dims:
    """Return the dimensions of `normalized_shape`, counted from the end."""
    n_dims = len(c["normalized_shape"])
    return -1 if n_dims == 1 else tuple(range(-n_dims, 0))


def _gained(c: OpCall, weight: str) -> str:
    return f"{weight} * d" if c.get("weight") is not None else "d"


def _layer_norm(c: OpCall) -> Forms:
    return {**_normalised(_last(c), _gained(c, "weight")), "weight": "xhat * d", "bias": "d"}


def _batch_norm(c: OpCall) -> Forms:
    rank = len(c.shape())
    dims = (0, *range(2, rank)) if rank > 2 else 0
    view = f".view(1, -1{', 1' * (rank - 2)})" if rank > 2 else ""
    total = f".sum({dims})"
    if not c["training"]:
        rstd = "(running_var + eps) ** -0.5"
        gain = f"weight{view} * " if c.get("weight") is not None else ""
        return {
            "$rstd": f"({rstd}){view}" if view else rstd,
            "input": f"{gain}rstd * d",
            "weight": f"((input - running_mean{view}) * rstd * d){total}",
            "bias": f"d{total}",
        }
    return {
        **_normalised(dims, _gained(c, f"weight{view}")),
        "weight": f"(xhat * d){total}",
        "bias": f"d{total}",
    }


def _group_norm(c: OpCall) -> Forms:
    """Reshape to (N, G, elements of a group), normalise, and reshape back."""
    n, _, *rest = c.shape()
    groups = c["num_groups"]
    view = f".view(1, -1{', 1' * len(rest)})"
    dims = (0, *range(2, 2 + len(rest)))
    total = f".sum({dims if len(dims) > 1 else 0})"
    dxhat = f"({_gained(c, f'weight{view}')}).reshape({n}, {groups}, -1)"
    steps = _normalised(2, dxhat, "groups")
    return {
        "$groups": f"input.reshape({n}, {groups}, -1)",
        **steps,
        "input": f"({steps['input']}).reshape({c.size()})",
        "weight": f"(xhat.reshape({c.size()}) * d){total}",
        "bias": f"d{total}",
    }


def _rms_norm(c: OpCall) -> Forms:
    dims = _last(c)
    eps = "eps" if c["eps"] is not None else repr(torch.finfo(c.out.dtype).eps)
    return {
        "$rstd": closed_form("rms_rstd", x="input", dims=dims, eps=eps),
        "$xhat": closed_form("rms_xhat", x="input", rstd="rstd"),
        "$dxhat": _gained(c, "weight"),
        "input": closed_form("rms_norm", d="dxhat", xhat="xhat", dims=dims),
        "weight": "xhat * d",
    }


def _normalize(c: OpCall) -> Forms:
    c.require(p=2.0)
    return {
        "$length": "input.norm(dim=dim, keepdim=True)",
        "input": closed_form("normalize", d="d", out="out", dim="dim", norm="length"),
    }


def _dropout(c: OpCall) -> Forms:
    """Read the mask from the result, in which dropped elements are 0."""
    if not c["training"] or c["p"] == 0:
        return {"input": "d"}
    return {"input": "(out != 0) * d / (1 - p)"}


def _attention(c: OpCall) -> Forms:
    """Differentiate softmax(q @ k.mT * scale) @ v."""
    if c["attn_mask"] is not None or c["dropout_p"] or c["enable_gqa"]:
        raise NoRule("scaled_dot_product_attention with a mask, dropout or grouped heads")
    width = c.shape("query")[-1]
    scale = "scale" if c["scale"] is not None else f"{width} ** -0.5"
    if c["scale"] is None and math.sqrt(width).is_integer():
        scale = f"{1 / math.sqrt(width)}"
    scores = f"query @ key.mT * {scale}"
    if c["is_causal"]:
        rows, columns = c.shape("query")[-2], c.shape("key")[-2]
        ahead = f"torch.ones({rows}, {columns}, device=query.device).triu(1) > 0"
        scores = f"({scores}).masked_fill({ahead}, -torch.inf)"
    return {
        "$weights": f"torch.softmax({scores}, -1)",
        "$dweights": "d @ value.mT",
        "$dscores": closed_form("softmax", p="weights", d="dweights", dim=-1),
        "query": f"dscores @ key * {scale}",
        "key": f"dscores.mT @ query * {scale}",
        "value": "weights.mT @ d",
    }


RULES: dict[str, Rule] = {
    "layer_norm": whole("input, normalized_shape, weight=None, bias=None, eps=1e-5", _layer_norm),
    "batch_norm": whole(
        "input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, "
        "eps=1e-5",
        _batch_norm,
    ),
    "group_norm": whole("input, num_groups, weight=None, bias=None, eps=1e-5", _group_norm),
    "rms_norm": whole("input, normalized_shape, weight=None, eps=None", _rms_norm),
    "normalize": whole("input, p=2.0, dim=1, eps=1e-12", _normalize),
    "dropout": whole("input, p=0.5, training=True", _dropout),
    "scaled_dot_product_attention": whole(
        "query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, "
        "enable_gqa=False",
        _attention,
    ),
}
