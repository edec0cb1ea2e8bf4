"""The gradient that comes back is missing: the local derivative alone.

What: the chain rule is forgotten, the line never reads the gradient of what the node went into.

Why: a gradient is the local derivative times what comes back from there.

Wrong:

    # counts = norm_logits.exp()
    dnorm_logits = counts

Right:

    dnorm_logits = counts * dcounts
"""

from handgrad.checker.explain.search.grammar import factors

CODE = "HG108"
NAME = "upstream gradient missing"
ORDER = 380
EDITS = (
    (
        factors.times_upstream,
        "This is only the local derivative: {was}, the gradient of {now}, is missing.",
    ),
    (factors.upstream, "{was} is used where {now} belongs."),
)
