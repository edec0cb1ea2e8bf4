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
"""(leaves by name) -> gradients by name."""


@dataclass(frozen=True)
class JudgedGradient:
    """One row of `handgrad verify`: the gradient of `node` in `model`, computed by `engine`.

    `ratio` is R: the error in units of autograd's error, or of the rounding noise.
    """

    model: str
    case: str
    engine: str
    node: str
    verdict: VerdictName
    ratio: float | None

    @property
    def ok(self) -> bool:
        """Whether the gradient is correct."""
        return self.verdict in ("exact", "rounding")


def judge_all(
    hand: Differentiate, reference: Differentiate, leaves: Tensors
) -> dict[str, tuple[VerdictName, float | None]]:
    """Return a verdict and R for every gradient of `hand`, in its order.

    Both functions differentiate with respect to `leaves`, in the dtype that is judged. `reference`
    uses autograd; in float64 it is the truth. The noise is the effect of every operation's
    rounding, the larger of the two functions': where terms cancel in only one of them (batchnorm of
    two rows, closed form), the other alone would show no noise.
    """
    exact_leaves = {name: leaf.double() for name, leaf in leaves.items()}
    gradients, formula = hand(leaves), hand(exact_leaves)
    autograd, truth = reference(leaves), reference(exact_leaves)
    names = list(gradients)
    dtype = next(iter(leaves.values())).dtype

    def noise(differentiate: Differentiate, exact: Mapping[str, Tensor]) -> list[Tensor]:
        def perturbed(perturb: Callable[[Tensor], Tensor]) -> list[Tensor]:
            moved = differentiate({name: perturb(leaf) for name, leaf in exact_leaves.items()})
            return [moved[name] for name in names]

        every = noise_of(perturbed, [exact[name] for name in names], torch.finfo(dtype).eps)
        return [_not_none(noise) for noise in every]

    pairs = zip(noise(reference, truth), noise(hand, formula), strict=True)
    largest = dict(zip(names, (_larger(*pair) for pair in pairs), strict=True))
    return {
        name: judge(gradients[name], autograd[name], truth[name], largest[name], formula[name])
        for name in names
    }


def _larger(theirs: Tensor, ours: Tensor) -> Tensor:
    """Return the larger, elementwise; the reference's if ours has a wrong shape."""
    return torch.maximum(theirs, ours) if theirs.shape == ours.shape else theirs


def _not_none(noise: Tensor | None) -> Tensor:
    assert noise is not None, "noise_of returns noise wherever there is a truth"
    return noise
