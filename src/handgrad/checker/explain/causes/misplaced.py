"""A gradient stored under the name of another tensor.

What: the value is correct, but for another tensor: two names are swapped, or the key is wrong.

Why: `dgain, dbias = ...` and `grads["W1"] = ...` accept any value. Where the shapes agree, the
wrong parameter is updated without an error.

Wrong:

    # y = gain * xhat + bias
    dgain, dbias = dy.sum(0), (dy * xhat).sum(0)

Right:

    dbias, dgain = dy.sum(0), (dy * xhat).sum(0)
"""

from handgrad.checker.explain.search.exchanged import belongs_to, in_order
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG139"
NAME = "stored under another name"
ORDER = 70


def find(suspect: Suspect) -> Finding | None:
    """Compare the result with the gradients of all nodes."""
    other = belongs_to(suspect)
    if other is None:
        return None
    fix = in_order(suspect)
    name = suspect.hand.name
    if fix is not None:
        return Finding(f"The names are swapped: {name} gets the gradient of {other.name}.", fix)
    if "[" not in name:  # under a name of its own it is rather made of the wrong things
        return None
    return Finding(
        f"This is the gradient of {other.name}, stored as that of {suspect.node.name}.",
        _renamed(suspect),
    )


def _renamed(suspect: Suspect) -> str | None:
    """Return `grads["W1"] = dW1` for `grads["W1"] = dW2`."""
    gradient = suspect.gradients.get(suspect.node.name)
    text = suspect.text
    if text is None or text.value is None or gradient in (None, suspect.hand.name):
        return None
    return suspect.first([text.replace(text.value, str(gradient))])
