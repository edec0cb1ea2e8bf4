"""A mean where a sum belongs, or a sum where the forward takes a mean.

What: a broadcast is undone by a mean; or the division by n of a mean in the forward is forgotten.

Why: what was broadcast collects the sum of what comes back to its copies. Only a mean in the
forward divides, and then the backward divides by the same count.

Wrong:

    # logits = h @ W2 + b2
    db2 = dlogits.mean(0)

Right:

    db2 = dlogits.sum(0)
"""

from handgrad.checker.explain.search.grammar import reductions

CODE = "HG117"
NAME = "mean for sum"
ORDER = 240
EDITS = ((reductions.mean_for_sum, "This line takes the {was}; the {now} is correct."),)
