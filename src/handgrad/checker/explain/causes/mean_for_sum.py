"""A mean instead of a sum, or a sum where the forward pass takes a mean.

What: a mean undoes a broadcast, or the division by n of a mean in the forward pass is missing.

Why: the gradient of a broadcast tensor is the sum of the gradients of its copies. Only a mean in
the forward pass divides, and then the backward pass divides by the same count.

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
