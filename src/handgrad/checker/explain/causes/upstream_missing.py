"""The upstream gradient is missing: the line has only the local derivative.

What: the line never reads the gradient of the consumer.

Why: the chain rule multiplies the local derivative by the upstream gradient.

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
