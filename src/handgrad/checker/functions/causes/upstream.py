"""Mistakes with the upstream gradient: ignored, read as a scalar, dropped."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.runs.bench import doubles
from handgrad.checker.functions.samples.sample import CheckSample

Change = Callable[[Tensor], Tensor | None]


def _filled(value: Tensor, like: Tensor) -> Tensor:
    return value.expand_as(like).clone()


SCALARS: dict[str, Change] = {
    "its first element is used for all elements": lambda u: _filled(u.flatten()[0], u),
    "its mean is used for all elements": lambda u: _filled(u.mean(), u),
    "its sum is used for all elements": lambda u: _filled(u.sum(), u),
    "its first column is used for all columns": lambda u: _filled(u[..., :1], u),
    "its first row is used for all rows": lambda u: _filled(u[:1], u),
    "its mean over the last dimension is used for all elements":
        lambda u: _filled(u.mean(-1, keepdim=True), u),
}  # fmt: skip
"""Ways to use one number in place of many."""

NONLINEAR: dict[str, Change] = {
    "dout is multiplied in twice": lambda u: u * u,
    "the absolute value of dout is used": lambda u: u.abs(),
    "only the sign of dout is used": lambda u: u.sign(),
    "backward divides by dout instead of multiplying": lambda u: 1 / u,
}
"""Mistakes that a test with ones cannot see."""


@cause("HG151", "upstream gradient ignored", turn=Turn.UPSTREAM)
def ignored(e: FunctionEvidence) -> FunctionFinding | None:
    """backward returns the local derivative alone.

    What
        The gradient does not depend on the upstream gradient: it is always that of .sum().
    Why
        The chain rule multiplies by dout. A test with .sum().backward() has dout = 1 and cannot see
        that the factor is missing.
    Wrong
        def backward(ctx, dout): return 1 - y**2
    Right
        def backward(ctx, dout): return (1 - y**2) * dout
    """
    if not _is_gradient(e) or not e.explains(e.with_upstream(torch.ones_like)):
        return None
    return FunctionFinding(
        "The upstream gradient is ignored: this is the gradient of .sum() for any dout.",
        "Multiply by the argument of backward: local * dout.",
    )


@cause("HG156", "upstream gradient read as a scalar", turn=Turn.UPSTREAM)
def one_number(e: FunctionEvidence) -> FunctionFinding | None:
    """backward uses one number in place of the whole upstream gradient.

    What
        The gradient is right for .sum() and .mean(), whose gradient is the same everywhere, and
        wrong for a loss per token, a mask or weights.
    Why
        A fused loss that scales by a scalar dout ignores that there is one number per row.
    Wrong
        return dlogits * dout.flatten()[0]
    Right
        return dlogits * dout[:, None]
    """
    if not _is_gradient(e) or all(u.numel() < 2 for u in e.truth.upstream):
        return None
    for effect, change in SCALARS.items():
        if e.explains(_with_upstream(e, change)):
            return FunctionFinding(
                f"The upstream gradient is read as a scalar: {effect}.",
                "Multiply each output's local derivative by its element of dout: dout[:, None] for "
                "one number per row.",
            )
    return None


@cause("HG177", "gradient of an output dropped", turn=Turn.UPSTREAM)
def dropped(e: FunctionEvidence) -> FunctionFinding | None:
    """backward ignores the upstream gradient of one of several outputs.

    What
        The gradient is right as long as the loss does not depend on that output.
    Why
        backward receives one gradient for each output, in their order. Each one contributes.
    Wrong
        def backward(ctx, dout, dlse): return dout * p
    Right
        return dout * p + dlse[:, None] * p
    """
    if not _is_gradient(e) or len(e.truth.upstream) < 2:
        return None
    for k, output in enumerate(e.truth.outputs):
        changed = [u * (i != k) for i, u in enumerate(doubles(e.truth.upstream))]
        if e.explains(e.with_changes(upstream=changed)):
            return FunctionFinding(
                f"The upstream gradient of output {output} is dropped.",
                f"Add the contribution of the {_nth(output)} argument of backward, or call "
                f"ctx.mark_non_differentiable on that output.",
            )
    return None


@cause("HG179", "gradient of an unused output not handled", turn=Turn.EVENT)
def unused_output(e: FunctionEvidence) -> FunctionFinding | None:
    """backward fails if only some of the outputs have an upstream gradient.

    What
        backward is right if every output has an upstream gradient.
    Why
        With ctx.set_materialize_grads(False), backward receives None for an unused output.
    Wrong
        ctx.set_materialize_grads(False)
        def backward(ctx, da, db): return da * x + db * y
    Right
        return (0 if da is None else da * x) + (0 if db is None else db * y)
    """
    if e.sample.output is None or e.kind not in ("raised", "missing", "wrong"):
        return None
    failure = f"{e.phase} raises this" if e.kind == "raised" else "the gradient is wrong"
    return FunctionFinding(
        f"If output {e.sample.output} alone has an upstream gradient, {failure}.",
        "Accept None as the gradient of an unused output, or remove "
        "ctx.set_materialize_grads(False).",
    )


@cause("HG155", "only right for an upstream gradient of ones", turn=Turn.GENERAL)
def only_ones(e: FunctionEvidence) -> FunctionFinding | None:
    """The gradient is right for .sum().backward(), and wrong for other upstream gradients.

    What
        The upstream gradient is used, but not as a single factor.
    Why
        The gradient is linear in dout. A test with ones alone passes dout**2 and dout.abs() too.
    Wrong
        dx = dout * y;  return dx * dout
    Right
        return dout * y
    """
    if not _is_gradient(e) or e.sample.upstream != "random":
        return None
    for effect, change in NONLINEAR.items():
        if e.explains(_with_upstream(e, change)):
            return FunctionFinding(
                f"Only right for an upstream gradient of ones: {effect}.",
                "Multiply by dout once: the gradient is linear in it.",
            )
    base = replace(e.sample, upstream="ones")
    for sample in (base, replace(base, draw=e.sample.draw + 7)):
        if e.fails(sample) is not False or _vanishes(e, sample):
            return None
    return FunctionFinding(
        "Only right for an upstream gradient of ones, such as that of .sum().",
        "Look where dout is used: the gradient is linear in it, element by element.",
    )


def _vanishes(e: FunctionEvidence, sample: CheckSample) -> bool:
    """Return whether the right gradient is 0 but for rounding, as that of a normalisation for ones.

    Much that is wrong is 0 there too.
    """
    truth = e.run(sample).truth
    if truth is None:
        return True
    right = truth.results[e.quantity]
    large = right.abs() > 1e6 * truth.noise(e.quantity)
    return 2 * int(large.sum()) < right.numel()


def _with_upstream(e: FunctionEvidence, change: Change) -> Tensor | None:
    """Return the right gradient with every upstream gradient changed that has a dimension."""
    return e.with_upstream(lambda u: change(u) if u.dim() and u.numel() else u)


def _is_gradient(e: FunctionEvidence) -> bool:
    return e.comparable and e.quantity.kind == "gradient"


def _nth(index: int) -> str:
    return ("first", "second", "third")[index] if index < 3 else f"{index + 1}th"
