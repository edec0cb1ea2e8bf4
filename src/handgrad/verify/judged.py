"""Hand-written gradients by name, each judged against autograd and float64."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from handgrad.checker.passes.compare import judge
from handgrad.checker.passes.noise import noise_of
from handgrad.checker.records import VerdictName

Tensors = dict[str, Tensor]
Differentiate = Callable[[Tensors], Mapping[str, Tensor]]
"""From leaves by name to gradients by name."""


@dataclass(frozen=True)
class Judged:
    """One row of `handgrad verify`: `engine` wrote the gradient of `node` in `model`.

    `ratio` is R of the design: the error in units of autograd's own, or of the rounding noise.
    """

    model: str
    case: str
    engine: str
    node: str
    verdict: VerdictName
    ratio: float | None

    @property
    def ok(self) -> bool:
        return self.verdict in ("exact", "rounding")


def judge_all(
    hand: Differentiate, reference: Differentiate, leaves: Tensors
) -> dict[str, tuple[VerdictName, float | None]]:
    """A verdict and R for every gradient that `hand` gives, in its order.

    `leaves` are what both differentiate from, in the dtype that is judged. `reference` uses
    autograd; in float64 it is the truth. Noise is what every operation's rounding does to either of
    the two ways: where terms cancel along the one and not along the other (batchnorm of two rows,
    closed form), the one alone would see none.
    """
    exact_leaves = {name: leaf.double() for name, leaf in leaves.items()}
    by_hand, formula = hand(leaves), hand(exact_leaves)
    autograd, truth = reference(leaves), reference(exact_leaves)
    names = list(by_hand)
    dtype = next(iter(leaves.values())).dtype

    def noise(way: Differentiate, still: Mapping[str, Tensor]) -> list[Tensor]:
        def moved(move: Callable[[Tensor], Tensor]) -> list[Tensor]:
            gradients = way({name: move(leaf) for name, leaf in exact_leaves.items()})
            return [gradients[name] for name in names]

        found = noise_of(moved, [still[name] for name in names], torch.finfo(dtype).eps)
        return [_known(own) for own in found]

    pairs = zip(noise(reference, truth), noise(hand, formula), strict=True)
    most = dict(zip(names, (_most(*pair) for pair in pairs), strict=True))
    return {
        name: judge(by_hand[name], autograd[name], truth[name], most[name], formula[name])
        for name in names
    }


def _most(theirs: Tensor, ours: Tensor) -> Tensor:
    """The larger, elementwise; the reference's where ours has another shape, a slip of its own."""
    return torch.maximum(theirs, ours) if theirs.shape == ours.shape else theirs


def _known(noise: Tensor | None) -> Tensor:
    assert noise is not None, "noise_of gives noise wherever it is given a truth"
    return noise
