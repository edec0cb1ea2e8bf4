"""Sums, means, extremes, norms and cumulative sums."""

import math

import torch

from handgrad.checker.write.closed_forms import closed_form
from handgrad.checker.write.rules.rule import Forms, NoRule, OpCall, Rule, each, whole

REDUCED = "input, dim=None, keepdim=False"


def kept(c: OpCall, name: str = "d") -> str:
    """Return text for a reduced tensor in a shape that broadcasts over the input."""
    rank, dims, dim = len(c.shape()), c.dims(), c.get("dim")
    if c.get("keepdim") or dims == tuple(range(len(dims))) or not rank:
        return name  # only leading dimensions were reduced: broadcasting adds them
    if name == "d" and not isinstance(c.d, torch.Tensor):
        return name
    return name + "".join(f".unsqueeze({dim if isinstance(dim, int) else d})" for d in dims)


def count(c: OpCall) -> int:
    """Return the number of input elements per element of the result."""
    return math.prod(c.shape()[d] for d in c.dims())


def counted(c: OpCall) -> str:
    """Return text for that number: as the user spells it, or from the shape, or its digits."""
    dims, n = c.dims(), count(c)
    sized = "input" if c.plain("input") else c.alike("input")
    if sized is None:
        return c.number(n)
    if len(dims) == len(c.shape()):
        return c.number(n, f"{sized}.numel()")
    parts = [f"{sized}.shape[{d}]" for d in dims]
    return c.number(n, parts[0] if len(parts) == 1 else f"({' * '.join(parts)})")


def _nanmean(c: OpCall) -> Forms:
    c.require(dim=None)
    return {"input": "(~input.isnan()) * d / (~input.isnan()).sum()"}


def _prod(c: OpCall) -> Forms:
    if (c["input"] == 0).any():
        raise NoRule("prod of a tensor with a 0 in it")
    return {"input": f"{kept(c, 'out')} / input * {kept(c)}"}


def _centred(c: OpCall) -> str:
    if len(c.dims()) == len(c.shape()):
        return "input - input.mean()"
    where = c["dim"] if isinstance(c["dim"], int) else tuple(c.dims())
    return f"input - input.mean({where}, keepdim=True)"


def _divisor(c: OpCall) -> str:
    """Return the divisor of a variance: n - correction, which is 1 by default."""
    correction = c.get("correction")
    if correction is None:
        correction = 1 if c.get("unbiased") in (None, True) else 0
    if correction == 0:
        return counted(c)
    spelled = c.spelled(count(c) - correction)
    return spelled if spelled is not None else f"({counted(c)} - {correction})"


def _var(c: OpCall) -> Forms:
    _settle_unbiased(c)
    return {"input": f"2 / {_divisor(c)} * ({_centred(c)}) * {kept(c)}"}


def _std(c: OpCall) -> Forms:
    _settle_unbiased(c)
    return {"input": f"({_centred(c)}) / ({_divisor(c)} * {kept(c, 'out')}) * {kept(c)}"}


def _settle_unbiased(c: OpCall) -> None:
    """Take a bool in the place of `dim` for `unbiased`, as in x.var(False)."""
    if isinstance(c["dim"], bool):
        c.values["unbiased"], c.values["dim"] = c["dim"], None


def _norm(c: OpCall) -> Forms:
    order = 2 if c.get("p") in (None, "fro") else c["p"]
    if order == 1:
        return {"input": f"torch.sign(input) * {kept(c)}"}
    if order != 2:
        raise NoRule(f"{c.name} with p={order}")
    return {"input": f"input / {kept(c, 'out')} * {kept(c)}"}


def _extreme(c: OpCall) -> Forms:
    """Distinguish max of all elements, along a dimension, and of two tensors."""
    if isinstance(c["dim"], torch.Tensor):
        sign = ">" if c.name == "max" else "<"
        return {"input": f"(input {sign} dim) * d", "dim": f"(dim {sign} input) * d"}
    if c["dim"] is None:
        return _shared(c)
    return _picked(c)


def _shared(c: OpCall) -> Forms:
    """Divide the gradient among equal extremes, as autograd does."""
    hit, dims = f"(input == {kept(c, 'out')})", c.dims()
    kept_shape = [1 if i in dims else s for i, s in enumerate(c.shape())]
    hits = c["input"] == c.out.reshape(kept_shape)
    if dims and (hits.sum(dims) > 1).any():
        where = "" if len(dims) == len(c.shape()) else f"{c['dim']}, keepdim=True"
        return {"input": f"{hit} * {kept(c)} / {hit}.sum({where})"}
    return {"input": f"{hit} * {kept(c)}"}


def _picked(c: OpCall) -> Forms:
    """Return the gradient at the index of the extreme along a dimension."""
    if not c.shape():
        return {"input": "d"}
    dim, value = c["dim"] % len(c.shape()), "d"
    if not c["keepdim"] and isinstance(c.d, torch.Tensor):
        value = f"d.unsqueeze({c['dim']})"
    if dim == 1 and len(c.shape()) == 2 and c["input"].shape[0] and c.plain("input"):
        index = f"input.arg{c.name}({c['dim']})"
        hot = closed_form("one_hot", index=index, classes="input.shape[1]")
        if c["input"].dtype != torch.get_default_dtype() and c.raw_is_number:
            hot += ".to(input)"
        return {"input": f"{hot} * {value}"}
    index = f"input.arg{c.name}({c['dim']}, keepdim=True)"
    if isinstance(c.d, torch.Tensor) and c.d.shape != c.out.shape:
        value = f"({value}).expand_as({index})"  # scatter_ does not broadcast
    return {"input": f"torch.zeros_like(input).scatter_({c['dim']}, {index}, {value})"}


def _by_index(c: OpCall) -> Forms:
    """Scatter the gradient of values by their indices: sort, topk, kthvalue, median."""
    c.values.setdefault("dim", -1)
    if c["dim"] is None:
        return _shared(c)
    dim, keep = c["dim"], c.name in ("sort", "topk") or c.get("keepdim")
    back = "" if keep else f".unsqueeze({dim})"
    return {"input": f"torch.zeros_like(input).scatter_({dim}, indices{back}, d{back})"}


def _cumprod(c: OpCall) -> Forms:
    if (c["input"] == 0).any():
        raise NoRule("cumprod of a tensor with a 0 in it")
    return {"input": "(out * d).flip(dim).cumsum(dim).flip(dim) / input"}


def _diff(c: OpCall) -> Forms:
    c.require(n=1)
    dim, rank = c["dim"] % len(c.shape()), len(c.shape())
    before = "0, 0, " * (rank - 1 - dim)
    pad = "torch.nn.functional.pad"
    return {"input": f"{pad}(d, ({before}1, 0)) - {pad}(d, ({before}0, 1))"}


def _var_mean(c: OpCall) -> Forms:
    _settle_unbiased(c)
    variance = f"2 / {_divisor(c)} * ({_centred(c)}) * {kept(c, 'd0')}"
    return {"input": f"{variance} + {kept(c, 'd1')} / {counted(c)}"}


SPREAD = "input, dim=None, unbiased=None, keepdim=False, *, correction=None"

RULES: dict[str, Rule] = {
    "sum": each(REDUCED + ", dtype=None", lambda c: {"input": kept(c)}),
    "nansum": each(REDUCED, {"input": "(~input.isnan()) * d"}),
    "mean": each(REDUCED + ", dtype=None", lambda c: {"input": f"{kept(c)} / {counted(c)}"}),
    "nanmean": each(REDUCED, _nanmean),
    "prod": each(REDUCED, _prod),
    "var": each(SPREAD, _var),
    "std": each(SPREAD, _std),
    "var_mean": each(SPREAD, _var_mean),
    "logsumexp": each(
        REDUCED, lambda c: {"input": f"torch.exp(input - {kept(c, 'out')}) * {kept(c)}"}
    ),
    "norm": each("input, p=None, dim=None, keepdim=False, dtype=None, ord=None", _norm),
    "max": each(REDUCED, _extreme),
    "min": each(REDUCED, _extreme),
    "amax": each("input, dim=None, keepdim=False", _shared),
    "amin": each("input, dim=None, keepdim=False", _shared),
    "sort": whole("input, dim=-1, descending=False", _by_index),
    "topk": whole("input, k, dim=-1, largest=True, sorted=True", _by_index),
    "kthvalue": whole("input, k, dim=-1, keepdim=False", _by_index),
    "median": each("input, dim=None, keepdim=False", _by_index),
    "cumsum": whole("input, dim", input="d.flip(dim).cumsum(dim).flip(dim)"),
    "cumprod": whole("input, dim", _cumprod),
    "logcumsumexp": whole(
        "input, dim",
        input="torch.exp(input) * (torch.exp(-out) * d).flip(dim).cumsum(dim).flip(dim)",
    ),
    "diff": whole("input, n=1, dim=-1", _diff),
    "trace": each("input", input="torch.eye(*input.shape).to(input) * d"),
}
