"""What autograd requires of a backward: one gradient for each input, in their order and shapes."""

import re
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.inputs.values import as_text
from handgrad.checker.functions.runs.bench import Quantity
from handgrad.checker.passes.compare import fits
from handgrad.text import listed

_NUMBER = re.compile(r"incorrect number of gradients \(expected (\d+), got (\d+)\)")
_SHAPE = re.compile(r"invalid gradient at index (\d+) - got \[(.*?)\] but expected")


@cause("HG150", "wrong number of gradients", turn=Turn.EVENT)
def wrong_number(e: FunctionEvidence) -> FunctionFinding | None:
    """backward returns fewer or more gradients than forward has inputs.

    What
        backward must return one gradient for each argument of forward, in their order, and None
        for an argument that has no gradient.
    Why
        autograd matches the values that backward returns with forward's arguments by position.
    Wrong
        def forward(ctx, x, weight, eps): ...
        def backward(ctx, dout): return dx, dweight
    Right
        def backward(ctx, dout): return dx, dweight, None
    """
    error = _NUMBER.search(e.fault.detail) if e.kind == "raised" else None
    if not error:
        return None
    expected, got = int(error[1]), int(error[2])
    names = list(e.bench.inputs.names)
    inputs = f" ({', '.join(names)})" if len(names) == expected else ""
    return FunctionFinding(
        f"backward returns {got} gradient{'s' * (got != 1)}, but forward has {expected} "
        f"input{'s' * (expected != 1)}{inputs}.",
        "Return one gradient for each argument of forward, in their order, and None for an "
        "argument that has no gradient.",
    )


@cause("HG160", "gradients in the wrong order", turn=Turn.EVENT)
def swapped(e: FunctionEvidence) -> FunctionFinding | None:
    """backward returns the gradient of one input at the position of another.

    What
        Gradients are swapped.
    Why
        autograd goes by position. Where the shapes agree, it reports no error.
    Wrong
        def forward(ctx, q, k): ...
        def backward(ctx, dout): return dk, dq
    Right
        def backward(ctx, dout): return dq, dk
    """
    if e.kind == "raised" and _SHAPE.search(e.fault.detail):
        returned = _returned(e)
    elif e.comparable and e.quantity.kind == "gradient":
        returned = {q.number: v for q, v in e.trial.results.items() if q.kind == "gradient"}
    else:
        return None
    moves = []
    for i, value in returned.items():
        others = (j for j in e.truth.wanted if j != i)
        source = next((j for j in others if _is_gradient_of(e, value, j)), None)
        if source is not None and not any(_is_gradient_of(e, v, i) for v in (value, -value)):
            moves.append((i, source))
    if not moves or (e.kind != "raised" and e.quantity.number not in [i for i, _ in moves]):
        return None
    swaps = [f"the gradient of {e.name(j)} in place of that of {e.name(i)}" for i, j in moves]
    names = e.bench.inputs.names
    return FunctionFinding(
        f"backward returns {listed(swaps)}.",
        f"Return the gradients in the order of forward's arguments: {', '.join(names)}.",
    )


@cause("HG161", "gradient of the wrong shape", turn=Turn.EVENT)
def wrong_shape(e: FunctionEvidence) -> FunctionFinding | None:
    """A gradient has correct values, but not the shape of its input.

    What
        The gradient is transposed, not summed over broadcast dimensions, or summed over too many.
    Why
        The gradient of an input has the input's shape. Where forward broadcasts, backward sums;
        where forward sums, backward broadcasts.
    Wrong
        return (dout * x).sum()           # weight has one element for each column
    Right
        return (dout * x).sum(0)
    """
    error = _SHAPE.search(e.fault.detail) if e.kind == "raised" else None
    if not error:
        return None
    index = int(error[1])
    returned = _returned(e).get(index)
    right = e.truth.results.get(Quantity("gradient", index))
    if returned is None or right is None:
        return None
    shapes = (
        f"The gradient of {e.name(index)} is {as_text(returned)}, but {e.name(index)} is "
        f"{as_text(e.truth.values[index])}"
    )
    for fit in fits(returned.double(), right.shape):
        if torch.allclose(fit.value, right, rtol=_rounding(e), atol=1e-30):
            return FunctionFinding(
                f"{shapes}; its values are right.", f"Append {fit.correction} to it."
            )
    reduced = _reduced(returned.double(), right)
    if reduced is not None:
        return FunctionFinding(
            f"{shapes}: it is the right gradient summed over {reduced}.",
            f"Sum over fewer dimensions: the gradient must have the shape of {e.name(index)}.",
        )
    return None


@cause("HG159", "gradient is None", turn=Turn.EVENT)
def none_gradient(e: FunctionEvidence) -> FunctionFinding | None:
    """backward returns None for an input that requires a gradient.

    What
        The input gets no gradient. Training never changes it, and raises no error.
    Why
        None means that an input has no gradient (an integer, a flag).
    Wrong
        return dx, None                   # the weight is never trained
    Right
        return dx, x.T @ dout
    """
    if e.sample.grad is not None or e.sample.output is not None or e.quantity.kind != "gradient":
        return None
    name = e.name(e.quantity.number)
    if e.kind != "missing":
        return None
    return FunctionFinding(
        f"backward returns None for {name}, whose gradient is not 0: {name} would never be "
        f"trained.",
        f"Return the gradient of {name} at position {e.quantity.number} of what backward returns.",
    )


@cause("HG171", "only right if every input requires a gradient", turn=Turn.EVENT)
def needs_input_grad(e: FunctionEvidence) -> FunctionFinding | None:
    """backward fails if only some of the inputs require a gradient.

    What
        backward is right if all inputs require a gradient, and wrong if one alone does, as with
        frozen weights or input data.
    Why
        ctx.needs_input_grad tells which gradients are wanted. A saved tensor or a branch that
        depends on the flag of one input is missing when another input needs it.
    Wrong
        if ctx.needs_input_grad[0]: local = ...
        return local * weight, local * x
    Right
        local = ...
        return local * weight, local * x
    """
    if e.sample.grad is None:
        return None
    name = e.sample.grad
    effect = {"missing": "is None", "wrong": "is wrong"}.get(e.kind, "")
    if effect and e.quantity.kind == "gradient":
        failure = f"The gradient of {name} {effect} if {name} alone requires one"
    elif e.kind == "raised":
        failure = f"{e.phase} raises this if {name} alone requires a gradient"
    else:
        return None
    return FunctionFinding(
        f"{failure}; it is right if all inputs do.",
        "Compute each gradient by its own flag in ctx.needs_input_grad, and save what each one "
        "needs whichever flags are set.",
    )


def _returned(e: FunctionEvidence) -> dict[int, Tensor]:
    """Return what backward itself returned, by position, before autograd checked its shapes."""
    call = e.trial.call
    if call is None or not e.truth.outputs:
        return {}
    step: Any = call.outputs[e.truth.outputs[0]].grad_fn
    upstream = dict(zip(e.truth.outputs, e.truth.upstream, strict=True))
    try:
        with torch.no_grad():
            result = step.apply(*(upstream.get(i) for i in range(len(call.outputs))))
    except Exception:  # not the function's own node, or it takes another number of gradients
        return {}
    gradients = result if isinstance(result, tuple) else (result,)
    return {i: g for i, g in enumerate(gradients) if isinstance(g, Tensor)}


def _is_gradient_of(e: FunctionEvidence, value: Tensor, index: int) -> bool:
    right = e.truth.results[Quantity("gradient", index)]
    if value.shape != right.shape:
        return False
    noise = e.truth.noise(Quantity("gradient", index))
    if not bool((right.abs() > 1e6 * noise).any()):
        return False  # practically 0: any zero matches it
    limit = 64 * noise + _rounding(e) * right.abs()
    return bool(((value.double() - right).abs() <= limit).all())


def _rounding(e: FunctionEvidence) -> float:
    """Return a relative error that rounding may cause: 64 eps of the dtype, at least float32's."""
    eps = torch.finfo(getattr(torch, e.sample.dtype)).eps
    return 64 * max(eps, torch.finfo(torch.float32).eps)


def _reduced(returned: Tensor, right: Tensor) -> str | None:
    """Return the dimensions over which `right` was summed to give `returned`, if it was."""
    dims = range(right.dim())
    choices = [(d,) for d in dims] + [tuple(dims)] * (right.dim() > 1)
    for over in choices:
        for keep in (False, True):
            summed = right.sum(over, keepdim=keep)
            if summed.shape == returned.shape and torch.allclose(
                summed, returned, rtol=1e-4, atol=1e-30
            ):
                return f"dimension{'s' * (len(over) > 1)} {listed(over)}"
    return None
