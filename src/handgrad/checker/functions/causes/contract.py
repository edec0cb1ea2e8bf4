"""What autograd demands of a backward: as many gradients as inputs, in their order and shapes."""

import re
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.bench import Quantity
from handgrad.checker.functions.causes.cause import cause, counted
from handgrad.checker.functions.evidence import Evidence, Finding
from handgrad.checker.functions.patterns import as_text
from handgrad.checker.passes.compare import fits

_NUMBER = re.compile(r"incorrect number of gradients \(expected (\d+), got (\d+)\)")
_SHAPE = re.compile(r"invalid gradient at index (\d+) - got \[(.*?)\] but expected")


@cause("HG150", "wrong number of gradients")
def wrong_number(e: Evidence) -> Finding | None:
    """backward returns fewer or more gradients than forward has inputs.

    What
        One gradient is due for each argument of forward, in their order, None for what has none.
    Why
        autograd matches what backward returns with forward's arguments by position alone.
    Wrong
        def forward(ctx, x, weight, eps): ...
        def backward(ctx, dout): return dx, dweight
    Right
        def backward(ctx, dout): return dx, dweight, None
    """
    found = _NUMBER.search(e.trial.said) if e.kind == "raised" else None
    if not found:
        return None
    expected, got = int(found[1]), int(found[2])
    names = list(e.bench.inputs.names)
    due = f" ({', '.join(names)})" if len(names) == expected else ""
    return Finding(
        f"backward returns {got} gradient{'s' * (got != 1)}, forward has {expected} "
        f"input{'s' * (expected != 1)}{due}.",
        "Return one gradient for each argument of forward, in their order, None for what has none.",
    )


@cause("HG160", "gradients in the wrong order")
def swapped(e: Evidence) -> Finding | None:
    """Gradients are returned at each other's position.

    What
        The gradient of one input stands where another's is due.
    Why
        autograd goes by position; where the shapes agree, nothing complains.
    Wrong
        def forward(ctx, q, k): ...
        def backward(ctx, dout): return dk, dq
    Right
        def backward(ctx, dout): return dq, dk
    """
    if e.kind == "raised" and _SHAPE.search(e.trial.said):
        raw = _raw(e)
    elif e.values and e.quantity.kind == "gradient":
        raw = {q.number: v for q, v in e.trial.found.items() if q.kind == "gradient"}
    else:
        return None
    moves = []
    for i, value in raw.items():
        others = (j for j in e.truth.wanted if j != i)
        source = next((j for j in others if _is_gradient_of(e, value, j)), None)
        if source is not None and not _is_gradient_of(e, value, i):
            moves.append((i, source))
    mine = [i for i, _ in moves if i == e.quantity.number]
    if not moves or (e.kind != "raised" and not mine):
        return None
    said = [f"the gradient of {e.name(j)} where that of {e.name(i)} is due" for i, j in moves]
    names = e.bench.inputs.names
    return Finding(
        f"backward returns {counted(said)}.",
        f"Return the gradients in the order of forward's arguments: {', '.join(names)}.",
    )


@cause("HG161", "gradient of the wrong shape")
def wrong_shape(e: Evidence) -> Finding | None:
    """A gradient has another shape than its input, its values being right.

    What
        Transposed, not summed over what was broadcast, or summed although nothing was.
    Why
        The gradient of an input has the input's shape. What forward stretched, backward sums; what
        forward summed, backward stretches.
    Wrong
        return (dout * x).sum()           # weight has one element a column
    Right
        return (dout * x).sum(0)
    """
    found = _SHAPE.search(e.trial.said) if e.kind == "raised" else None
    if not found:
        return None
    index = int(found[1])
    raw = _raw(e).get(index)
    right = e.truth.found.get(Quantity("gradient", index))
    if raw is None or right is None:
        return None
    said = (
        f"The gradient of {e.name(index)} is {as_text(raw)} where {e.name(index)} is "
        f"{as_text(e.trial.truth.values[index] if e.trial.truth else None)}"
    )
    for fit in fits(raw.double(), right.shape):
        if torch.allclose(fit.value, right, rtol=_rounding(e), atol=1e-30):
            return Finding(f"{said}; its values are right.", f"Append {fit.mend} to it.")
    reduced = _reduced(raw.double(), right)
    if reduced is not None:
        return Finding(
            f"{said}: it is the right one summed over {reduced}.",
            f"Sum over fewer dimensions: the result must have the shape of {e.name(index)}.",
        )
    return None


@cause("HG159", "gradient is None")
def none_gradient(e: Evidence) -> Finding | None:
    """backward returns None for an input that requires a gradient.

    What
        The input gets no gradient: training leaves it as it was first set, without an error.
    Why
        None means that an input has no gradient (an integer, a flag).
    Wrong
        return dx, None                   # the weight is never trained
    Right
        return dx, x.T @ dout
    """
    if e.kind != "missing" or e.sample.grad is not None or e.sample.output is not None:
        return None
    name = e.name(e.quantity.number)
    return Finding(
        f"backward returns None for {name}, whose gradient is not 0: {name} would never be "
        f"trained.",
        f"Return the gradient of {name} at position {e.quantity.number} of what backward returns.",
    )


@cause("HG171", "only right where every input requires a gradient")
def needs_input_grad(e: Evidence) -> Finding | None:
    """backward fails where only some of the inputs require a gradient.

    What
        With all inputs requiring one it is right, with one alone it is not: frozen weights, data.
    Why
        ctx.needs_input_grad says what is asked for; saved tensors and branches that hang on another
        input's flag are missing when that one does not require a gradient.
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
    what = {"missing": "is None", "wrong": "is wrong"}.get(e.kind, "")
    if what and e.quantity.kind == "gradient":
        said = f"The gradient of {name} {what} where {name} alone requires one"
    elif e.kind == "raised":
        said = f"{e.phase} raises this where {name} alone requires a gradient"
    else:
        return None
    return Finding(
        f"{said}; with all inputs requiring one it is right.",
        "Compute each gradient by its own flag in ctx.needs_input_grad, and save what each needs "
        "whichever flags are set.",
    )


def _raw(e: Evidence) -> dict[int, Tensor]:
    """Return what backward itself returned, by position, before autograd judged its shapes."""
    call = e.trial.call
    if call is None or not e.truth.outputs:
        return {}
    step: Any = call.outputs[e.truth.outputs[0]].grad_fn
    upstream = dict(zip(e.truth.outputs, e.truth.upstream, strict=True))
    try:
        with torch.no_grad():
            result = step.apply(*(upstream.get(i) for i in range(len(call.outputs))))
    except Exception:  # not the function's own step, or it wants another number of gradients
        return {}
    gradients = result if isinstance(result, tuple) else (result,)
    return {i: g for i, g in enumerate(gradients) if isinstance(g, Tensor)}


def _is_gradient_of(e: Evidence, value: Tensor, index: int) -> bool:
    right = e.truth.found[Quantity("gradient", index)]
    if value.shape != right.shape:
        return False
    noise = e.truth.noise(Quantity("gradient", index))
    if not bool((right.abs() > 1e6 * noise).any()):
        return False  # all but 0: anything that is 0 looks like it
    limit = 64 * noise + _rounding(e) * right.abs()
    return bool(((value.double() - right).abs() <= limit).all())


def _rounding(e: Evidence) -> float:
    """A relative distance that rounding may make: 64 eps of the dtype, float32's in float64."""
    eps = torch.finfo(getattr(torch, e.sample.dtype)).eps
    return 64 * max(eps, torch.finfo(torch.float32).eps)


def _reduced(raw: Tensor, right: Tensor) -> str | None:
    """Return over which dimensions `right` was summed to give `raw`, if it was."""
    dims = range(right.dim())
    choices = [(d,) for d in dims] + [tuple(dims)] * (right.dim() > 1)
    for over in choices:
        for keep in (False, True):
            summed = right.sum(over, keepdim=keep)
            if summed.shape == raw.shape and torch.allclose(summed, raw, rtol=1e-4, atol=1e-30):
                return f"dimension{'s' * (len(over) > 1)} {counted([str(d) for d in over])}"
    return None
