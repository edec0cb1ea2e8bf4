"""A sum over a dimension that was never broadcast.

What: the gradient is summed where each element has a gradient of its own.

Why: a sum undoes a broadcast. Where the forward did not broadcast, elements keep what came back to
them, and a sum with keepdim spreads the same total over all by broadcasting.

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
