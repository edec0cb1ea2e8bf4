"""A statistic is treated as a constant.

What: the gradient ignores a mean, a variance, a maximum or the sum of a softmax, as if it did not
depend on the input.

Why: every input changes the statistic, and through it every output of its column or row. Statistics
are constants only in evaluation mode, where stored ones are used.

Wrong:

    # bnraw = (hprebn - bnmeani) * bnvar_inv, with bnmeani and bnvar_inv made of hprebn
    dhprebn = bngain * bnvar_inv * dhpreact

Right:

    dhprebn = bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0)
        - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0))
"""

from handgrad.checker.explain.search.closed import fitted, is_fused, is_near, is_softmax, statistics
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.norms import norm_lines
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG119"
NAME = "statistics treated as constants"
ORDER = 200


def find(suspect: Suspect) -> Finding | None:
    """Compare the result with the gradient for constant statistics."""
    fit = fitted(suspect)
    if (
        fit is None
        or is_softmax(suspect)
        or not fit.lost
        or fit.off
        or not is_near(fit.times[0], 1.0)
    ):
        return None
    gradients = [None if t.node is None else suspect.gradients.get(t.node.name) for t in fit.lost]
    if all(gradients) and not is_fused(suspect):
        return None  # written step by step: a branch is missing
    names, many = statistics(fit.lost), len(fit.lost) > 1
    node = suspect.node.name
    message = (
        f"{names} {'are' if many else 'is'} treated as constant: "
        f"{'they are' if many else 'it is'} computed from {node}, and part of the gradient flows "
        f"through {'them' if many else 'it'}."
    )
    message = f"The {message[4:]}" if message.startswith("the ") else message
    return Finding(message, suspect.first(norm_lines(suspect)))
