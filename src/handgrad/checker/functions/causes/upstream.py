"""What becomes of the upstream gradient: ignored, taken for one number, dropped."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from handgrad.checker.functions.bench import doubles
from handgrad.checker.functions.causes.cause import cause
from handgrad.checker.functions.evidence import Evidence, Finding

Change = Callable[[Tensor], Tensor | None]


def _filled(value: Tensor, like: Tensor) -> Tensor:
    return value.expand_as(like).clone()


TAKEN: dict[str, Change] = {
    "its first element is taken for all of it": lambda u: _filled(u.flatten()[0], u),
    "its mean is taken for each element": lambda u: _filled(u.mean(), u),
    "its sum is taken for each element": lambda u: _filled(u.sum(), u),
    "its first column is taken for all of them": lambda u: _filled(u[..., :1], u),
    "its first row is taken for all of them": lambda u: _filled(u[:1], u),
    "its mean over the last dimension is taken for each element":
        lambda u: _filled(u.mean(-1, keepdim=True), u),
}  # fmt: skip
"""How one number may stand for many."""

BENT: dict[str, Change] = {
    "it is multiplied in twice": lambda u: u * u,
    "only its size is taken, not its sign": lambda u: u.abs(),
    "only its sign is taken": lambda u: u.sign(),
    "what it is divided by should be multiplied": lambda u: 1 / u,
}
"""What leaves ones as they are."""


@cause("HG151", "upstream gradient ignored")
def ignored(e: Evidence) -> Finding | None:
    """backward returns the local derivative alone.

    What
        The gradient is the same whatever comes from above: that of .sum().
    Why
        The chain rule multiplies by dout. A test by .sum().backward() has ones there and cannot see
        that it is missing.
    Wrong
        def backward(ctx, dout): return 1 - y**2
    Right
        def backward(ctx, dout): return (1 - y**2) * dout
    """
    if not _of_upstream(e) or not e.explains(e.with_upstream(torch.ones_like)):
        return None
    return Finding(
        "The upstream gradient is ignored: this is the gradient of .sum(), whatever comes from "
        "above.",
        "Multiply by the argument of backward: local * dout.",
    )


@cause("HG156", "upstream gradient taken for one number")
def one_number(e: Evidence) -> Finding | None:
    """backward takes one number of the upstream gradient for all of it.

    What
        Right for .sum() and .mean(), whose gradient is the same everywhere; wrong for a loss per
        token, a mask, weights.
    Why
        A fused loss that scales by dout as a scalar has no place for one number a row.
    Wrong
        return dlogits * dout.flatten()[0]
    Right
        return dlogits * dout[:, None]
    """
    if not _of_upstream(e) or all(u.numel() < 2 for u in e.truth.upstream):
        return None
    for said, change in TAKEN.items():
        if e.explains(_tried(e, change)):
            return Finding(
                f"The upstream gradient is taken for one number: {said}.",
                "Use each element of dout where its own output is: dout[:, None] for one a row.",
            )
    return None


@cause("HG177", "an output's gradient dropped")
def dropped(e: Evidence) -> Finding | None:
    """Of several outputs, the gradient that comes through one is not used.

    What
        Right as long as nobody differentiates that output.
    Why
        backward gets one gradient for each output, in their order, and all of them count.
    Wrong
        def backward(ctx, dout, dlse): return dout * p
    Right
        return dout * p + dlse[:, None] * p
    """
    if not _of_upstream(e) or len(e.truth.upstream) < 2:
        return None
    for k, output in enumerate(e.truth.outputs):
        changed = [u * (i != k) for i, u in enumerate(doubles(e.truth.upstream))]
        if e.explains(e.otherwise(upstream=changed)):
            return Finding(
                f"The gradient that comes through output {output} is dropped.",
                f"Add what the {_nth(output)} argument of backward contributes; or say "
                f"ctx.mark_non_differentiable of that output.",
            )
    return None


@cause("HG179", "gradient of an unused output not handled")
def unused_output(e: Evidence) -> Finding | None:
    """backward fails where only some of the outputs are differentiated.

    What
        Right where a gradient comes to every output.
    Why
        With ctx.set_materialize_grads(False), an output that nobody used brings None.
    Wrong
        ctx.set_materialize_grads(False)
        def backward(ctx, da, db): return da * x + db * y
    Right
        return (0 if da is None else da * x) + (0 if db is None else db * y)
    """
    if e.sample.output is None or e.kind not in ("raised", "missing", "wrong"):
        return None
    what = f"{e.phase} raises this" if e.kind == "raised" else "the gradient is wrong"
    return Finding(
        f"Where a gradient comes through output {e.sample.output} alone, {what}.",
        "Take None for the gradient of an output that was not used, or leave "
        "ctx.set_materialize_grads(False) out.",
    )


@cause("HG155", "only right for an upstream gradient of ones")
def only_ones(e: Evidence) -> Finding | None:
    """Right for .sum().backward(), wrong for any other upstream gradient.

    What
        The upstream gradient enters, but not as a factor, once.
    Why
        The gradient is linear in dout. Tested with ones alone, dout**2 and dout.abs() pass.
    Wrong
        dx = dout * y;  return dx * dout
    Right
        return dout * y
    """
    if not _of_upstream(e) or e.sample.upstream != "random":
        return None
    for said, change in BENT.items():
        if e.explains(_tried(e, change)):
            return Finding(
                f"Only right for an upstream gradient of ones: {said}.",
                "Multiply by dout once: the gradient is linear in it.",
            )
    base = replace(e.sample, upstream="ones")
    if e.fails(base) is not False or e.fails(replace(base, draw=e.sample.draw + 7)) is not False:
        return None
    return Finding(
        "Only right for an upstream gradient of ones, such as that of .sum(); another comes out "
        "wrong.",
        "Look where dout enters: the gradient is linear in it, element by element.",
    )


def _tried(e: Evidence, change: Change) -> Tensor | None:
    """The quantity with the upstream gradient changed so, where it can be."""

    def safe(value: Tensor) -> Tensor | None:
        return change(value) if value.dim() and value.numel() else value

    return e.with_upstream(safe)


def _of_upstream(e: Evidence) -> bool:
    return e.values and e.quantity.kind == "gradient"


def _nth(index: int) -> str:
    return ("first", "second", "third")[index] if index < 3 else f"{index + 1}th"
