"""Precision that is lost, results that are not finite, and forward passes that differ."""

from dataclasses import replace
from math import inf
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.runs.bench import Quantity, doubles
from handgrad.checker.functions.runs.calls import tensors_of
from handgrad.checker.functions.runs.norms import error_in_norm
from handgrad.checker.functions.runs.ratio import ratio_in_dtype, ratio_to_truth
from handgrad.checker.passes.compare import LIMITS
from handgrad.text import listed

STAYS = 0.25
"""Of values rounded to steps of eps, 63 of 64 do not change when the inputs move by eps / 64.
Several roundings in sequence, and casts back, leave fewer unchanged."""
GROWTH = 3.0
"""An error that grows with the size is this many times larger at the largest size."""
UNSUMMED = (
    "Nothing is summed over {letter}: an intermediate that grows with it, such as a position or an "
    "angle, is rounded to {dtype}."
)
WIDER = "Compute it in float32, and cast the result."
GROWING_SIZES = (16, 127, 1031)


@cause("HG165", "accumulated in low precision", turn=Turn.PRECISION)
def low_precision(e: FunctionEvidence) -> FunctionFinding | None:
    """Sums are accumulated in a dtype that has too few digits.

    What
        The result is right in float64 and float32, or for small sizes. The error grows with the
        number of terms.
    Why
        In bfloat16 256 + 1 is 256: a running sum stops growing. torch accumulates in float32.
    Wrong
        acc = torch.zeros(n, dtype=x.dtype)
    Right
        acc = torch.zeros(n, dtype=torch.float32)
    """
    if e.kind == "imprecise":
        return _in_norm(e)
    if not e.comparable:
        return None
    if e.sample.dtype in ("bfloat16", "float16"):
        return _growing(e)
    coarse = torch.bfloat16
    near = ratio_in_dtype(e.truth, e.quantity, e.hand, coarse) <= LIMITS[coarse]
    if not near or not _moves_in_steps(e, coarse):
        return None
    return FunctionFinding(
        f"In {e.sample.dtype} only two or three digits are right, and the result changes in steps: "
        f"part of it is computed in half precision (bfloat16 or float16).",
        "Keep sums and products in float32.",
    )


@cause("HG168", "not finite at zero", turn=Turn.PRECISION)
def infinite(e: FunctionEvidence) -> FunctionFinding | None:
    """The result is NaN or infinite where the reference is finite.

    What
        A row of zeros, of padding, or completely masked.
    Why
        0 / 0, log(0), inf - inf: the reference has an eps, a maximum or a mask that the function
        lacks.
    Wrong
        rstd = 1 / var.sqrt()
    Right
        rstd = 1 / (var + eps).sqrt()
    """
    if e.kind == "infinite":
        return FunctionFinding(
            "NaN or infinite if a row of the inputs is 0; the reference is finite.",
            "Add the reference's eps inside the root or the quotient, or mask before dividing.",
        )
    if not e.comparable or bool(e.hand.isfinite().all()) or not bool(e.right.isfinite().all()):
        return None
    count = int((~e.hand.isfinite()).sum())
    return FunctionFinding(
        f"NaN or infinite in {count} of {e.hand.numel()} elements; the reference is finite.",
        "Look for a quotient, a logarithm or a root whose argument may be 0, and for inf - inf.",
    )


@cause("HG166", "the two forward passes differ", turn=Turn.GENERAL)
def forward_differs(e: FunctionEvidence) -> FunctionFinding | None:
    """The function computes another formula than the reference.

    What
        The output itself is wrong. Its gradient may be right for that output.
    Why
        tanh gelu against erf gelu, another eps, a variance over n against n - 1.
    Wrong
        check_function(TanhGelu.apply, torch.nn.functional.gelu, (x,))
    Right
        check_function(TanhGelu.apply, lambda x: F.gelu(x, approximate="tanh"), (x,))
    """
    if e.kind not in ("wrong", "shape") or e.quantity.kind != "output":
        return None
    failure = "The forward pass computes a different formula from the reference"
    fix = "Correct the forward pass, or pass the reference that it implements."
    right = _right_for_its_forward(e)
    if right is None:
        return FunctionFinding(f"{failure}.", fix)
    verdict = "right" if right else "wrong"
    return FunctionFinding(
        f"{failure}; backward is {verdict} for this forward pass (central differences).", fix
    )


def _in_norm(e: FunctionEvidence) -> FunctionFinding | None:
    native = e.truth.native(e.quantity)
    if native is None:
        return None
    sizes, base = e.sample.size_of, e.explored.base.size_of
    letters = [k for k, n in sizes.items() if n != base[k]]
    own, reference = (100 * error_in_norm(v, e.right) for v in (e.hand, native))
    failure = (
        f"In norm the result is off by {own:.2g} %, the reference in {e.sample.dtype} by "
        f"{reference:.2g} %, and the error grows with {listed(letters)}"
    )
    if letters and not any(_sums(e, letter) for letter in letters):
        return FunctionFinding(
            f"{failure}. {UNSUMMED.format(letter=listed(letters), dtype=e.sample.dtype)}", WIDER
        )
    return FunctionFinding(
        f"{failure}: a sum over it is accumulated in {e.sample.dtype}.",
        "Accumulate in float32, and cast the sum.",
    )


def _growing(e: FunctionEvidence) -> FunctionFinding | None:
    """Return a finding if R grows with one letter. Letters that must be large come first."""
    base = e.explored.base.size_of
    for letter, _ in sorted(e.sample.sizes, key=lambda pair: pair[1] == base[pair[0]]):
        ratios = []
        for size in GROWING_SIZES:
            trial = e.run(e.sample.sized({letter: size}))
            if trial.truth is None or e.quantity not in trial.results:
                break
            ratios.append(ratio_to_truth(trial.truth, e.quantity, trial.results[e.quantity]))
        if len(ratios) == 3 and max(ratios) < inf and ratios[2] > GROWTH * max(ratios[0], 1.0):
            pairs = zip(GROWING_SIZES, ratios, strict=True)
            shown = ", ".join(f"{r:.0f} at {letter}={n}" for n, r in pairs)
            if not _sums(e, letter):
                unsummed = UNSUMMED.format(letter=letter, dtype=e.sample.dtype)
                return FunctionFinding(
                    f"The error grows with {letter}: R is {shown}. {unsummed}", WIDER
                )
            return FunctionFinding(
                f"The error grows with {letter}: R is {shown}. In {e.explored.base.dtype} the "
                f"result is right: sums are accumulated in {e.sample.dtype}.",
                "Accumulate in float32, and cast the sum.",
            )
    return None


def _sums(e: FunctionEvidence, letter: str) -> bool:
    """Return whether the result at one index of the letter depends on inputs at other indices.

    It does where a sum, a product or a cumulation runs over the letter.
    """
    there = e.at(e.sample.sized({letter: GROWING_SIZES[0] + 1})) or e
    size = there.sample.size_of[letter]
    right = there.right
    if size not in right.shape:
        return True
    results = there.truth.with_changes(
        [_bumped(v, size) for v in there.truth.values],
        [_bumped(u, size) for u in doubles(there.truth.upstream)],
    )
    if results is None:
        return True
    changed = (results[there.quantity] != right).movedim(right.shape.index(size), 0)
    return bool(changed[1:].any())


def _bumped(value: Any, size: int) -> Any:
    """Return the value with other numbers at the first index of the dimension of this size."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or size not in value.shape:
        return value
    changed = value.detach().double().clone()
    changed.select(value.shape.index(size), 0).mul_(1.5).add_(0.25)
    return changed


def _moves_in_steps(e: FunctionEvidence, dtype: torch.dtype) -> bool:
    """Return whether most results stay the same when the inputs move by far less than eps.

    A formula that is slightly wrong is smooth: its results move with the inputs.
    """
    by = 1 + torch.finfo(dtype).eps / 64
    results = e.results_with(lambda v: v * by if v.is_floating_point() else v)
    result = results.get(e.quantity) if results else None
    if result is None or result.shape != e.hand.shape:
        return False
    nonzero = e.hand != 0
    same = (result == e.hand) & nonzero
    return bool(nonzero.any()) and float(same.sum() / nonzero.sum()) > STAYS


def _right_for_its_forward(e: FunctionEvidence) -> bool | None:
    """Return whether backward is the derivative of the function's forward; None if unknown.

    Central differences along one random direction in float64, with steps of 1e-5: truncation and
    rounding both stay below 1e-6 of the terms.
    """
    trial = e.run(replace(e.sample, dtype="float64", layout="contiguous", on=None))
    if trial.truth is None or trial.call is None or trial.single or not trial.truth.outputs:
        return None
    truth, step = trial.truth, 1e-5
    if any(Quantity("gradient", i) not in trial.results for i in truth.wanted):
        return None
    if any(trial.call.outputs[i].dtype != torch.float64 for i in truth.outputs):
        return None
    slope, terms = 0.0, 0.0
    above, below = list(truth.values), list(truth.values)
    for i, direction in zip(truth.wanted, truth.along, strict=True):
        above[i] = truth.values[i] + step * direction
        below[i] = truth.values[i] - step * direction
        parts = trial.results[Quantity("gradient", i)] * direction
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
