"""A term of the softmax or attention gradient is wrong.

What: with P = softmax(S) and S = Q @ K.T / sqrt(d), dS = P * (dP - (dP * P).sum(-1, keepdim=True)).
The sum is missing or wrong, or the scale 1 / sqrt(d) or the mask of the forward pass is not applied
to the gradient.

Why: all probabilities of a row are divided by one sum, so each score changes all of them. The scale
and the mask are operations of the forward pass and have a backward of their own.

Wrong:

    dS = P * dP

Right:

    dS = P * (dP - (dP * P).sum(-1, keepdim=True))
"""

import ast
import re
from collections.abc import Iterator
from functools import partial

from handgrad.checker.explain.search.closed import (
    fitted,
    is_near,
    is_softmax,
    rescaled,
    sentence,
    target,
)
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.record.instrument import Statement

CODE = "HG123"
NAME = "softmax's closed form"
ORDER = 350


def find(suspect: Suspect) -> Finding | None:
    """Fit the result as a sum of the softmax's two terms; then try the mask."""
    if suspect.made.shape != suspect.right.shape or suspect.right.dim() < 2:
        return None
    return _terms(suspect) or _masked(suspect)


def _terms(suspect: Suspect) -> Finding | None:
    if not is_softmax(suspect):
        return None
    fit = fitted(suspect)
    lines = list(_lines(suspect))
    if fit is None:
        fix = suspect.first(lines)
        message = "This does not match the closed form of the softmax gradient."
        return None if fix is None else Finding(message, fix)
    if all(is_near(c, 1.0) for c in fit.times) or fit.overall is not None:
        return None
    fix = suspect.first(rescaled(suspect, fit)) or suspect.first(lines)
    lost = [term.name for term in fit.lost]
    if lost and not lost[0]:
        return Finding("The direct term of the softmax gradient is missing.", fix)
    if lost:
        return Finding(
            "The second term of the softmax gradient is missing: every element of a row is divided "
            "by the same sum, and part of the gradient flows through that sum.",
            fix,
        )
    wrong = sentence(suspect, fit, fix, _term)
    return None if wrong is None else Finding(f"In the softmax gradient, {wrong}.", fix)


def _term(statistic: str) -> str:
    return "the term through the sum" if statistic else "the direct term"


def _lines(suspect: Suspect) -> Iterator[str]:
    """Yield the closed form for each forward tensor whose rows sum to 1."""
    if suspect.text is None:
        return
    for name, bind in suspect.names.items():
        value = suspect.tensor(name)
        if value is None or bind.value.shape != suspect.right.shape:
            continue
        if bool((value >= 0).all()) and bool(((value.sum(-1) - 1).abs() < 1e-6).all()):
            for dout in (hand.name for hand in suspect.reads):
                inner = f"({dout} - ({dout} * {name}).sum(-1, keepdim=True))"
                yield f"{target(suspect)} {name} * {inner}"


def _consumers(suspect: Suspect) -> list[Statement]:
    """Return the statements that read the node by name."""
    name = re.compile(rf"\b{re.escape(suspect.node.name)}\b")
    found = dict.fromkeys(b.statement for b in suspect.forward.nodes())
    return [s for s in found if name.search(s.text.partition("=")[2])]


def _masked(suspect: Suspect) -> Finding | None:
    """Apply the masks of the forward pass."""
    text = suspect.text
    if text is None or text.value is None:
        return None
    fix = suspect.first(map(partial(text.scaled, text.value), _masks(suspect)))
    message = "The mask of the forward pass is not applied to the gradient."
    return None if fix is None else Finding(message, fix)


def _masks(suspect: Suspect) -> Iterator[str]:
    for statement in _consumers(suspect):
        forward = Text.parsed(statement.text)
        for call in forward.of(ast.Call) if forward is not None else ():
            assert forward is not None
            name = getattr(call.func, "attr", "")
            if name in ("masked_fill", "masked_fill_") and len(call.args) > 1:
                yield f"{{}}.masked_fill({forward.segment(call.args[0])}, 0)"
            elif name == "where" and len(call.args) == 3:
                condition = forward.segment(call.args[0])
                yield f"torch.where({condition}, {{}}, 0)"
                yield f"torch.where({condition}, 0, {{}})"
            elif name in ("tril", "triu"):
                yield f"{{}}.{name}()"
