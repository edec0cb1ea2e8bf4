"""A sum over a dimension that the forward pass does not broadcast.

What: the gradient is summed where each element has its own gradient.

Why: a sum undoes a broadcast. Where the forward pass did not broadcast, each element keeps its own
gradient; a sum with keepdim gives all of them the same total.

Wrong:

    # h = torch.tanh(hpreact)
    dhpreact = (1 - h**2) * dh.sum(0, keepdim=True)

Right:

    dhpreact = (1 - h**2) * dh
"""

from handgrad.checker.explain.search.grammar import reductions

CODE = "HG111"
NAME = "extra sum"
ORDER = 230
EDITS = (
    (
        reductions.without_reduction,
        "{was} must not be {now} here: the forward pass does not broadcast along that dimension.",
    ),
)
