"""Kinks: where the reference has no single derivative, and which gradients are right there.

relu at 0, a maximum that two elements share, a standard deviation of equal numbers. The inputs are
moved by next to nothing, at random: the gradients that the reference then has span those that are
right. A gradient must lie between them elementwise. If few elements are concerned, it must also be
an affine combination: of a shared maximum the elements share one gradient, whoever gets it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from handgrad.checker.functions.inputs.values import is_floating
from handgrad.checker.functions.runs.bench import Quantity, doubles
from handgrad.checker.functions.runs.truth import Truth

NEAR, NEAREST = 1e-10, 1e-30
"""How far numbers are moved: relative to themselves, and from 0."""
DRAWS, MANY_DRAWS = 24, 96
"""Moves of the inputs. Among five equal numbers, one is never the largest in one of 200 times 24
moves; so a gradient is called wrong only after MANY_DRAWS."""
GLANCE = 3
"""Moves after which most wrong elements must have changed: a wrong formula is not examined more."""
JUMP = 1e-5
"""A smooth gradient moves by far less than this, relative to its largest element."""
MOST = 32
"""So many elements at kinks are examined together."""


def is_subgradient(
    truth: Truth, quantity: Quantity, value: Tensor, slack: Callable[[], Tensor]
) -> bool:
    """Return whether `value` differs from the truth only at kinks, by a gradient that is right too.

    Not finite counts as right at a kink: nothing is known there. `slack` returns the error that
    rounding explains, elementwise.
    """
    right, hand = truth.results[quantity], value.to(truth.results[quantity])
    scale = JUMP * float(right.abs().nan_to_num(0, 0, 0).max().clamp(min=1e-30))
    glance = 1 if quantity in truth.bench.wrong else GLANCE
    first = _gradients_nearby(truth, quantity, glance, 0)
    far = ~((hand - right).abs() <= scale) & right.isfinite()
    if first is None or 2 * int((_jumps(first, right, scale) & far).sum()) < int(far.sum()):
        return False
    explained = slack()
    wrong = ~((hand - right).abs() <= explained) & right.isfinite()
    for draws in (DRAWS, MANY_DRAWS):
        near = _gradients_nearby(truth, quantity, draws, draws)
        if near is not None and _is_between(near, hand, right, wrong, explained + scale, scale):
            return True
    return False


def _is_between(
    near: Tensor, hand: Tensor, right: Tensor, wrong: Tensor, slack: Tensor, scale: float
) -> bool:
    """Return whether the wrong elements lie at kinks, and between the gradients nearby."""
    kinked = _jumps(near, right, scale)
    if not bool(kinked[wrong].all()):
        return False
    finite = near.nan_to_num(0, 0, 0)
    low, high = torch.minimum(finite.amin(0), right), torch.maximum(finite.amax(0), right)
    compared = wrong & hand.isfinite()
    inside = (hand >= low - slack) & (hand <= high + slack)
    if not bool(inside[compared].all()):
        return False
    together = kinked & hand.isfinite()
    if int(together.sum()) > MOST or not bool((wrong <= together).all()):
        return True
    return _is_combination(hand[together], finite[:, together], float(slack[together].max()))


def _jumps(near: Tensor, right: Tensor, scale: float) -> Tensor:
    """Return which elements change by more than `scale` when the inputs are moved."""
    far = (near - right).abs() > scale
    return (far | ~near.isfinite()).any(0)


def _gradients_nearby(truth: Truth, quantity: Quantity, draws: int, seed: int) -> Tensor | None:
    """Return the reference's gradients for inputs moved by next to nothing, in rows."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(draws):
        values = [_moved(v, generator) if is_floating(v) else v for v in doubles(truth.values)]
        results = truth.with_changes(values)
        if results is None or quantity not in results:
            return None
        found.append(results[quantity])
    return torch.stack(found)


def _moved(value: Tensor, generator: torch.Generator) -> Tensor:
    step = torch.where(value == 0, torch.full_like(value, NEAREST), NEAR * value.abs())
    draw = torch.randn(value.shape, generator=generator, dtype=value.dtype).to(value.device)
    return value + step * draw


def _is_combination(hand: Tensor, near: Tensor, slack: float) -> bool:
    """Return whether `hand` is an affine combination of the rows of `near`."""
    moves = near[1:] - near[0]
    _, sizes, directions = torch.linalg.svd(moves, full_matrices=False)
    directions = directions[sizes > 1e-4 * float(sizes.max().clamp(min=1e-300))]
    offset = hand - near[0]
    rest = offset - directions.T @ (directions @ offset)
    return float(rest.abs().max()) <= slack
