"""A gradient of softmax and cross-entropy that no edit corrects: the closed form instead.

logits (n, C), targets (n,):   dlogits = (softmax(logits) - one_hot(targets)) / n
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from handgrad.checker.explain.search.counts import count_named
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.write.closed_forms import closed_form


def of_probabilities(suspect: Suspect) -> Finding | None:
    """Return the closed form where it is the correct gradient, and say where the line differs."""
    if suspect.right.dim() != 2:
        return None
    part = bool(suspect.rest) or suspect.is_looped
    left = "return" if suspect.frame is not None else f"{suspect.hand.name} ="
    for form, index in _forms(suspect):
        if not part and suspect.would(f"{left} {form}"):
            return Finding(_message(suspect, index), f"{left} {form}")
        values = [suspect.value(form, view) for view in range(len(suspect.views))]
        if part and all(isinstance(v, Tensor) and suspect.is_right(v, i)
                        for i, v in enumerate(values)):  # fmt: skip
            return Finding(_message(suspect, index))
    return None


def _forms(suspect: Suspect) -> Iterator[tuple[str, Tensor]]:
    rows, classes = suspect.right.shape
    count = count_named(suspect, rows)
    for name, index in suspect.scope.indices().items():
        if index.shape != (rows,) or not bool(((index >= 0) & (index < classes)).all()):
            continue
        target = closed_form("one_hot", index=name, classes=classes)
        logits = suspect.node.name
        form = closed_form("cross_entropy", logits=logits, dim=1, target=target)
        yield f"{form} / {count}", index


def _message(suspect: Suspect, index: Tensor) -> str:
    logits = suspect.node.name
    message = (
        f"The gradient of softmax and cross-entropy is the probabilities softmax({logits}), minus "
        "1 at each row's target, divided by the number of rows."
    )
    made, right = suspect.made, suspect.right
    if made.shape != right.shape:
        return message
    off = (made - right).abs() > 1e-6 * right.abs().max()
    target = torch.nn.functional.one_hot(index, right.shape[1]).bool()
    if not bool(off[target].any()):
        return f"{message} This line is correct at the targets and wrong for the other classes."
    if not bool(off[~target].any()):
        return f"{message} This line is correct for the other classes and wrong at the targets."
    return message
