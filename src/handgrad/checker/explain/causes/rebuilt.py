"""A tensor computed again after the loss: the line reads the new one, but the loss used the old.

What: the backward pass reads a tensor that has the right name but is not the one of the forward
pass: it was computed again with another dropout mask, another batch, or updated parameters.

Why: a gradient is taken at the point where the forward pass ran. The second computation is another
point.

Wrong:

    h = F.dropout(a, 0.5)
    loss = (h @ W2).mean()
    h = F.dropout(a, 0.5)           # once more, to look at it
    dW2 = h.T @ dout

Right:

    h = F.dropout(a, 0.5)
    loss = (h @ W2).mean()
    dW2 = h.T @ dout
"""

from handgrad.checker.explain.search.changed import changed, set_at
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG129"
NAME = "node rebuilt"
ORDER = 100


def find(suspect: Suspect) -> Finding | None:
    """Name the statement that computed it again."""
    found = changed(suspect, "rebuilt")
    if found is None:
        return None
    at = set_at(suspect, found)
    return Finding(
        f"{found.name} was computed again after the loss{at}: this line reads the new tensor, but "
        "the loss came from the old one. With the old one this line is correct."
    )
