"""Precision: sums kept in too few digits, what is not finite; and forwards that differ."""

from dataclasses import replace
from math import inf

import torch
from torch import Tensor

from handgrad.checker.functions.bench import Quantity, measured, measured_in
from handgrad.checker.functions.calls import Call, tensors_of
from handgrad.checker.functions.causes.cause import cause
from handgrad.checker.functions.evidence import Evidence, Finding
from handgrad.checker.passes.compare import LIMITS

STAYS = 0.25
"""Of values rounded to steps of eps, 63 of 64 stay where they were when moved by eps / 64; several
roundings one after the other, and casts back, leave fewer."""
GROWTH = 3.0
"""An error that grows with the size is this much larger at the largest size than at a small one."""


@cause("HG165", "accumulated in low precision")
def low_precision(e: Evidence) -> Finding | None:
    """Sums are kept in a dtype that has too few digits for them.

    What
        Right in float64 and float32, or for small sizes; the error grows with the number of terms.
    Why
        In bfloat16 256 + 1 is 256: a running sum stops growing. torch itself sums in float32.
    Wrong
        acc = torch.zeros(n, dtype=x.dtype)
    Right
        acc = torch.zeros(n, dtype=torch.float32)
    """
    if not e.values:
        return None
    if e.sample.dtype in ("bfloat16", "float16"):
        return _growing(e)
    coarse = torch.bfloat16
    near = measured_in(e.truth, e.quantity, e.hand, coarse) <= LIMITS[coarse]
    if not near or not _coarse(e, coarse):
        return None
    return Finding(
        f"In {e.sample.dtype} it is right only to two or three digits, and goes by steps: "
        f"somewhere it is computed in half precision (bfloat16 or float16).",
        "Keep what is added up, and what is multiplied, in float32.",
    )


@cause("HG168", "not finite at zero")
def infinite(e: Evidence) -> Finding | None:
    """NaN or infinity where the reference has a number.

    What
        A row of zeros, of padding, all masked.
    Why
        0 / 0, log(0), inf - inf: the reference has an eps, a maximum, a mask where this has none.
    Wrong
        rstd = 1 / var.sqrt()
    Right
        rstd = 1 / (var + eps).sqrt()
    """
    if e.kind == "infinite":
        return Finding(
            "NaN or infinity where a row of the inputs is 0; the reference is finite there.",
            "Add the reference's eps inside the root or the quotient, or mask before dividing.",
        )
    if not e.values or bool(e.hand.isfinite().all()) or not bool(e.right.isfinite().all()):
        return None
    count = int((~e.hand.isfinite()).sum())
    return Finding(
        f"NaN or infinity in {count} of {e.hand.numel()} elements; the reference is finite there.",
        "Look for a quotient, a logarithm or a root of what may be 0, and for inf - inf.",
    )


@cause("HG166", "the two forwards differ")
def forward_differs(e: Evidence) -> Finding | None:
    """What the function computes is not what the reference computes.

    What
        The output itself is off; its gradient may be right for what it is.
    Why
        Another formula: tanh gelu against erf gelu, another eps, var with n against n - 1.
    Wrong
        check_function(TanhGelu.apply, torch.nn.functional.gelu, (x,))
    Right
        check_function(TanhGelu.apply, lambda x: F.gelu(x, approximate="tanh"), (x,))
    """
    if e.kind not in ("wrong", "shape") or e.quantity.kind != "output":
        return None
    said = "The function computes something else than the reference"
    fix = "Mend the forward, or give the reference that it stands for; then look at gradients."
    numeric = _own_derivative(e)
    if numeric is None:
        return Finding(f"{said}.", fix)
    agrees = "is right" if numeric else "is wrong"
    return Finding(f"{said}; its backward {agrees} for its own forward (central differences).", fix)


def _growing(e: Evidence) -> Finding | None:
    """R at growing sizes of one letter, where it grows."""
    for letter in e.sample.size_of:
        ratios = []
        for size in (16, 127, 1031):
            trial = e.at(replace(e.sample.sized({letter: size})))
            if trial.truth is None or e.quantity not in trial.found:
                break
            ratios.append(measured(trial.truth, e.quantity, trial.found[e.quantity]))
        if len(ratios) == 3 and max(ratios) < inf and ratios[2] > GROWTH * max(ratios[0], 1.0):
            shown = ", ".join(
                f"{r:.0f} at {letter}={n}" for n, r in zip((16, 127, 1031), ratios, strict=True)
            )
            return Finding(
                f"The error grows with {letter}: R is {shown}; in {e.explored.base.dtype} it is "
                f"right. Sums are kept in {e.sample.dtype}.",
                "Add up in float32, and cast what comes out.",
            )
    return None


def _coarse(e: Evidence, dtype: torch.dtype) -> bool:
    """Tell whether the function goes by steps: moved by far less than eps, most results stay.

    A formula that is a little off goes smoothly, and moves with its inputs.
    """
    by = 1 + torch.finfo(dtype).eps / 64
    moved = [v * by if isinstance(v, Tensor) and v.is_floating_point() else v
             for v in e.truth.values]  # fmt: skip
    try:
        call = Call(e.bench.function, moved, e.truth.wanted)
        found = call.outputs[e.quantity.number].detach() if e.quantity.kind == "output" else None
        if found is None:
            upstream = [u * by for u in e.truth.upstream]
            gradients = call.gradients(e.truth.outputs, upstream)
            found = gradients[e.truth.wanted.index(e.quantity.number)]
    except Exception:
        return False
    if found is None or found.shape != e.hand.shape:
        return False
    alive = e.hand != 0
    same = (found == e.hand) & alive
    return bool(alive.any()) and float(same.sum() / alive.sum()) > STAYS


def _own_derivative(e: Evidence) -> bool | None:
    """Tell whether the backward is right for the function's own forward; None: cannot tell.

    Central differences along one random direction in float64, steps of 1e-5: truncation and
    rounding both stay below 1e-6 of the size of what is added up.
    """
    base = replace(e.sample, dtype="float64", layout="contiguous", on=None)
    trial = e.at(base)
    if trial.truth is None or trial.call is None or trial.single or not trial.truth.outputs:
        return None
    truth, step = trial.truth, 1e-5
    if any(Quantity("gradient", i) not in trial.found for i in truth.wanted):
        return None
    if any(trial.call.outputs[i].dtype != torch.float64 for i in truth.outputs):
        return None
    slope, terms = 0.0, 0.0
    above, below = list(truth.values), list(truth.values)
    for i, direction in zip(truth.wanted, truth.along, strict=True):
        above[i] = truth.values[i] + step * direction
        below[i] = truth.values[i] - step * direction
        parts = trial.found[Quantity("gradient", i)] * direction
        slope, terms = slope + float(parts.sum()), terms + float(parts.abs().sum())
    try:
        ends = [e.bench.function(*values) for values in (above, below)]
    except Exception:
        return None
    numeric = 0.0
    for i, u in zip(truth.outputs, truth.upstream, strict=True):
        up, down = (tensors_of(end)[i] for end in ends)
        numeric += float(((up - down) * u).sum()) / (2 * step)
    return abs(numeric - slope) <= 1e-6 * max(terms, abs(numeric), 1.0)
