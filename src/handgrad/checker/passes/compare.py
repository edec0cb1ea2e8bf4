"""One gradient against the other two: by hand, autograd's, and the truth in float64.

    R = |by hand - truth| / max(|autograd - truth|, noise)        elementwise, the largest counts

`noise` is how far rounding alone moves the gradient (see `noise.py`). A gradient whose truth is 0
(a bias before batchnorm) is therefore judged on the scale of the terms that cancel in it, and one
small wrong element is found beside large ones. The user chooses no tolerance.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from handgrad.checker.records import VerdictName

LIMITS = {torch.float64: 1e4, torch.float32: 64.0, torch.bfloat16: 16.0, torch.float16: 16.0}
"""R above which a gradient is wrong.

Correct code reaches single digits. What raises R is a sum of n terms added one by one (about
sqrt(n)) and a noise estimated from few draws (at most a factor of 5 too small). A rule that is
0.1 % off reaches 1e-3 / eps, about 8000 in float32 before the noise of a deep graph divides it.
float64 leaves room for far more; half precision for less, as 64 x 2^-8 would pass a factor of 2.
"""

FORMULA_LIMIT = 4.0
"""The same for a formula replayed in float64, whose own rounding is far below the noise. The 4
covers constants that were rounded before the replay (`.item()`)."""

FORMULA_REACH = 16.0
"""With a correct formula, R may exceed its limit by this factor: sums added one by one in the dtype
get that far. A gradient computed from wrong values that cancel goes beyond."""


class Fit(NamedTuple):
    """A gradient in the shape of its node, and the code that gives it this shape."""

    correction: str
    value: Tensor


def judge(
    hand: Tensor | None,
    autograd: Tensor | None,
    truth: Tensor,
    noise: Tensor | float,
    formula: Tensor | None = None,
) -> tuple[VerdictName, float | None]:
    """Return the verdict on `hand`, and R (None if it is missing or no shape fits).

    `truth` is float64. `noise` has its shape, or is one number. `autograd` None: the noise alone is
    the scale. `formula` is `hand` computed by the same operations in float64. If given it decides
    between rounding and wrong, because it has no rounding of the user's dtype in it.
    """
    if hand is None:
        return "missing", None
    if hand.numel() == truth.numel() == 1:  # db = dz.sum() for b of shape (1,): one number
        hand = hand.reshape(truth.shape)
        formula = None if formula is None or formula.numel() != 1 else formula.reshape(truth.shape)
    if hand.shape == truth.shape:
        return _same_shape(hand, autograd, truth, noise, formula)
    ratio = None
    formulas = dict(fits(formula, truth.shape)) if formula is not None else {}
    for correction, value in fits(hand, truth.shape):
        verdict, found = _same_shape(value, autograd, truth, noise, formulas.get(correction))
        if verdict != "wrong" and shows_in(hand, truth, noise):
            return "shape", found
        ratio = found if hand.numel() >= truth.numel() else None
    return "wrong", ratio


def ratio_of(hand: Tensor, autograd: Tensor | None, truth: Tensor, noise: Tensor | float) -> float:
    """Return the largest R over the elements; inf where `hand` is not finite and the truth is.

    Elements whose truth is NaN are left out. Shapes must agree.
    """
    if truth.numel() == 0:
        return 0.0
    truth = truth.double()
    value = hand.to(device=truth.device, dtype=torch.float64)
    scale = torch.as_tensor(noise, dtype=torch.float64, device=truth.device).expand_as(truth)
    # the smallest normal number of the dtype: below it, 0 is a correct answer
    scale = scale.clamp(min=torch.finfo(hand.dtype).tiny)
    if autograd is not None:
        own = (autograd.to(truth) - truth).abs()
        scale = torch.where(own.isfinite(), torch.maximum(scale, own), scale)
    # equal to the truth rounded to the dtype (an overflow to inf included) is no error
    right = (hand == truth.to(hand.dtype)) | (value == truth) | truth.isnan()
    ratio = torch.where(right, 0.0, (value - truth).abs() / scale)
    return float(ratio.nan_to_num(nan=torch.inf, posinf=torch.inf).max())


def formula_is_right(
    formula: Tensor, truth: Tensor, noise: Tensor | float, dtype: torch.dtype
) -> bool:
    """Tell whether a gradient replayed in float64 is the truth; the user's dtype is `dtype`."""
    limit = LIMITS[torch.float64] if dtype == torch.float64 else FORMULA_LIMIT
    return ratio_of(formula, None, truth, noise) <= limit


def same_bits(a: Tensor, b: Tensor | None) -> bool:
    """Tell whether both have the same dtype, shape and numbers; NaN equals NaN."""
    if b is None or a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


def near(a: Tensor, b: Tensor, noise: Tensor) -> Tensor:
    """Return which elements of two float64 values agree within the noise of the gradient."""
    rounding = 8 * torch.finfo(torch.float32).eps * (a.abs() + b.abs())
    return (a - b).abs() <= FORMULA_LIMIT * noise + rounding


def multiple_of(a: Tensor, b: Tensor, noise: Tensor) -> float | None:
    """Return the number f for which a = f b, None where there is none."""
    square = (b * b).sum()
    factor = float((a * b).sum() / square) if square else 0.0
    return factor if bool(near(a, factor * b, noise * max(1.0, abs(factor))).all()) else None


def fits(hand: Tensor, shape: torch.Size) -> Iterator[Fit]:
    """Yield `hand` in `shape` by each plausible way: reshape, transpose, broadcast, sum.

    Nothing is broadcast silently: (64,) for (1, 64) is a wrong shape with a correction, not
    equality.
    """
    view = f".view{tuple(shape)}" if len(shape) else ".squeeze()"
    if hand.numel() == shape.numel():
        squeezed = list(hand.squeeze().shape)
        fewer = hand.dim() < len(shape) and [s for s in shape if s != 1] == squeezed
        yield Fit("keepdim=True" if fewer else view, hand.reshape(shape))
    if hand.dim() >= 2 and hand.mT.shape == shape:
        yield Fit(".T" if hand.dim() == 2 else ".mT", hand.mT)
    missing = hand.dim() - len(shape)
    if hand.numel() < shape.numel() and _broadcasts(hand.shape, shape):
        yield Fit(f".expand{tuple(shape)}", hand.expand(shape))
    if missing >= 0 and hand.numel() > shape.numel():
        kept = (1,) * missing + tuple(shape)
        dims = [i for i, (a, b) in enumerate(zip(hand.shape, kept, strict=True)) if a != b]
        if all(kept[i] == 1 for i in dims):
            summed = hand.sum(dims, keepdim=missing == 0)
            text = str(dims[0]) if len(dims) == 1 else str(tuple(dims))
            keep = ", keepdim=True" if missing == 0 else ""
            correction = f".sum({text}{keep})" + ("" if summed.shape == shape else view)
            yield Fit(correction, summed.reshape(shape))


def shows_in(hand: Tensor, truth: Tensor, noise: Tensor | float) -> bool:
    """Tell whether `hand` is not merely a 0 that broadcasts to a truth of nothing but rounding."""
    return hand.numel() >= truth.numel() or bool((truth.abs() > FORMULA_REACH * noise).any())


def _broadcasts(smaller: torch.Size, shape: torch.Size) -> bool:
    sizes = zip(reversed(smaller), reversed(shape), strict=False)
    return len(smaller) <= len(shape) and all(a in (1, b) for a, b in sizes)


def _same_shape(
    hand: Tensor,
    autograd: Tensor | None,
    truth: Tensor,
    noise: Tensor | float,
    formula: Tensor | None,
) -> tuple[VerdictName, float]:
    if not hand.is_floating_point():  # stored in integers, a gradient loses its fraction
        hand = hand.to(autograd.dtype if autograd is not None else torch.get_default_dtype())
    ratio = ratio_of(hand, autograd, truth, noise)
    if same_bits(hand, autograd):
        return "exact", ratio
    limit = LIMITS.get(hand.dtype, 16.0)
    if formula is None or hand.dtype == torch.float64:
        right = ratio <= limit
    else:
        right = ratio <= limit * FORMULA_REACH and formula_is_right(
            formula, truth, noise, hand.dtype
        )
    return ("rounding" if right else "wrong"), ratio
