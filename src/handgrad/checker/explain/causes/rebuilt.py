"""A tensor computed again after the loss: the line reads the second, the loss came from the first.

What: the backward pass reads a tensor of the right name that is not the forward's: run again with
another dropout mask, another batch, or with parameters that were updated since.

Why: a gradient is taken where the forward pass was. Whatever the second run changed is another
place.

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
