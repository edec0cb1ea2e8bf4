"""A name refers to a different value than in the forward pass.

What: the line is correct, but it reads an n, a batch or a gradient that the forward pass did not
use: it was assigned in between, or is left over from an earlier cell or batch.

Why: a gradient belongs to one forward pass, with its batch, its targets and its sizes. In a
notebook, cells run in any order, and names keep the value of the last assignment.

Wrong:

    n = 32                          # cell 1
    loss = -logprobs[range(n), Yb].mean()
    n = 64                          # cell 2
    dlogits = (probs - F.one_hot(Yb, 27)) / n

Right:

    dlogits = (probs - F.one_hot(Yb, 27)) / logits.shape[0]
"""

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from handgrad.checker.explain.search.changed import Changed, assigned, changed, set_at
from handgrad.checker.explain.search.counts import shapes
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.record.trace import Bind

CODE = "HG128"
NAME = "stale value"
ORDER = 90


def find(suspect: Suspect) -> Finding | None:
    """Name what changed between the forward pass and the line."""
    found = changed(suspect, "left over", "rebound", "earlier")
    if found is None:
        return None
    if found.how == "earlier":
        return Finding(
            f"{found.name} is left over from an earlier forward pass{set_at(suspect, found)}: this "
            "one computes its value again, but not under that name."
        )
    return _left_over(suspect, found) if found.how == "left over" else _rebound(suspect, found)


def _rebound(suspect: Suspect, found: Changed) -> Finding:
    name = found.name
    if isinstance(found.now, Tensor) or isinstance(found.then, Tensor):
        at = set_at(suspect, found)
        return Finding(
            f"{name} is not what the forward pass used: it was set again in between{at}."
        )
    message = f"{name} was {found.then!r} in the forward pass and is {found.now!r} here."
    return Finding(message, suspect.first(_sized(suspect, found)))


def _sized(suspect: Suspect, found: Changed) -> Iterator[str]:
    """Yield the statement with the size of a forward tensor instead of the number."""
    if suspect.text is None or type(found.then) is not int:
        return
    written = [node for node in suspect.text.of(ast.Name) if node.id == found.name]
    for size in shapes(suspect, found.then):
        yield suspect.text.replace_all(written, [size] * len(written))


def _left_over(suspect: Suspect, found: Changed) -> Finding:
    assert found.node is not None
    made = found.node.statement
    message = (
        f"{found.name} is left over from an earlier forward pass: {found.node.name} was computed "
        f"again since ({made.place}), {found.name} was not."
    )
    texts = dict.fromkeys(b.statement.text for b in assigned(suspect, found))
    last = suspect.forward.trace.events[suspect.forward.end]
    loss = next((b for b in suspect.forward.trace.events[last.index :] if type(b) is Bind), None)
    if len(texts) != 1 or loss is None:
        return Finding(message)
    again = next(iter(texts))
    value = suspect.views[0].runner.run(again, found.name, None)
    right = suspect.forward.truth[found.node.index]
    if value is None or value.shape != right.shape or not torch.allclose(value, right.to(value)):
        return Finding(message)
    return Finding(message, again, loss.statement.place, True)
