"""The upstream gradient is missing: the line has only the local derivative.

What: the line never reads the gradient of the consumer.

Why: the chain rule multiplies the local derivative by the upstream gradient.

Wrong:

    # counts = norm_logits.exp()
    dnorm_logits = counts

Right:

    dnorm_logits = counts * dcounts
"""

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import factors
from handgrad.checker.explain.search.shares import ignores_upstream
from handgrad.checker.explain.search.suspect import Suspect

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


def unread(suspect: Suspect) -> Finding | None:
    """Name the upstream gradients of a line that reads no gradient by hand."""
    hands = {part.hand: part.consumer for part in suspect.parts if part.hand is not None}
    if len(hands) != 1 or len(suspect.parts) != 1 or not ignores_upstream(suspect):
        return None
    ((hand, consumer),) = hands.items()
    return Finding(
        f"The upstream gradient is missing: this line does not read {hand}, the gradient of "
        f"{consumer}."
    )
