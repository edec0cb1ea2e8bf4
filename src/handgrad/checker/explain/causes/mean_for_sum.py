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

from handgrad.checker.explain.search.calls import calls
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG117"
NAME = "mean for sum"


def find(suspect: Suspect) -> Finding | None:
    """Put sum for mean and mean for sum."""
    if suspect.text is None:
        return None
    for call in calls(suspect.text, ("sum", "mean")):
        other = "mean" if call.name == "sum" else "sum"
        fix = call.renamed(other)
        if suspect.mends(fix):
            return Finding(f"It takes the {call.name} where the {other} is right.", fix)
    return None
