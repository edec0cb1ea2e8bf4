"""RULES: the backward lines of each torch operation, as templates.

    elementwise, activations    arithmetic, functions, kinks
    reductions                  sums, means, extremes, norms, running sums
    products                    matrices, vectors, einsum, convolutions
    shapes, lookup              moving, gathering and scattering elements
    losses, normalisation       softmax, losses, layer norm, attention

Keys are canonical names (rule.canonical): `x * y`, `torch.multiply` and `x.mul_` are all "mul".
"""

from handgrad.checker.write.rules import (
    activations,
    elementwise,
    lookup,
    losses,
    normalisation,
    products,
    reductions,
    shapes,
)
from handgrad.checker.write.rules.rule import Rule

RULES: dict[str, Rule] = {
    **elementwise.RULES,
    **activations.RULES,
    **reductions.RULES,
    **products.RULES,
    **shapes.RULES,
    **lookup.RULES,
    **losses.RULES,
    **normalisation.RULES,
}
