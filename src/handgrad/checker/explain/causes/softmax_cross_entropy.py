"""A term of softmax and cross-entropy's closed form is wrong.

What: dlogits = (softmax(logits, 1) - one_hot(Yb)) / n. The one-hot term is missing, 1 / n is
applied to one of the two terms, twice or not at all, or another value replaces the probabilities.

Why: the loss is the mean of logsumexp(logits) - logits[Yb]. The first part gives the probabilities,
the second subtracts 1 at the target class of each row, and the mean divides both by n.

Wrong:

    # loss = F.cross_entropy(logits, Yb)
    dlogits = F.softmax(logits, 1)
    dlogits /= n

Right:

    dlogits = F.softmax(logits, 1)
    dlogits[range(n), Yb] -= 1
    dlogits /= n
"""

import ast
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from handgrad.checker.explain.search.closed import (
    Fitted,
    fitted,
    is_fused,
    is_near,
    rescaled,
    sentence,
)
from handgrad.checker.explain.search.counts import called, count_named, factors, named_counts
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar.edit import Edit, edited, edited_later
from handgrad.checker.explain.search.grammar.names import due_operands
from handgrad.checker.explain.search.grammar.terms import regrouped
from handgrad.checker.explain.search.paths import terms
from handgrad.checker.explain.search.scaling import scaled_wrongly
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.written import addition

CODE = "HG120"
NAME = "softmax and cross-entropy's closed form"
ORDER = 190
_FIRST = re.compile(r"len\((\w+)\)|(\w+)\.(?:shape\[0\]|size\(0\))")
"""Common ways to write the number of rows of a tensor."""


def find(suspect: Suspect) -> Finding | None:
    """Try changes of the line; then fit the user's gradient as a sum of the two terms."""
    if not is_fused(suspect) or not _is_block(suspect):
        return None
    found = edited(suspect, EDITS) or edited_later(suspect, _LATER)
    if found is not None:
        return found
    fit = fitted(suspect)
    if fit is None or all(is_near(c, 1.0) for c in fit.times):
        return None
    if fit.overall is not None:
        other = scaled_wrongly(suspect) is not None  # constant_factor says by what
        return None if other else _overall(suspect, fit.overall)
    if any(not term.name for term in fit.lost):
        return _one_hot(suspect, fit)
    return _one(suspect, fit)


def _is_block(suspect: Suspect) -> bool:
    """Tell whether there are two terms, the direct one with one nonzero element per row."""
    pair = terms(suspect) if suspect.right.dim() > 1 else ()
    if len(pair) != 2:
        return False
    direct = pair[0].value
    return bool(((direct != 0).sum(-1) <= 1).all()) and direct.shape[-1] > 2


def _probabilities(suspect: Suspect, text: Text) -> Iterator[Edit]:
    for name in text.of(ast.Name):
        if name.id == suspect.node.name and isinstance(text.parent(name), ast.BinOp):
            yield Edit(text.wrap(name, "torch.softmax({}, 1)"), name.id)


def _softmax(suspect: Suspect, text: Text) -> Iterator[Edit]:
    for node in text.of(ast.Attribute):
        if node.attr == "log_softmax":
            yield Edit(text.replace(node, text.segment(node).replace("log_softmax", "softmax")))


def _rows(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put `[range(n), Yb]`, one class per row, for `[:, Yb]`, all of them in every row."""
    for node in ast.walk(text.tree):
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
            continue
        first = node.slice.elts[0]
        if isinstance(first, ast.Slice) and first.lower is None and first.upper is None:
            index = text.segment(node.slice)
            rows = f"range({count_named(suspect, suspect.right.shape[0])})"
            moved = f"{text.segment(node.value)}[{index.replace(':', rows, 1)}]"
            yield Edit(text.replace(node, moved), index, rows)


def _counted(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put another count as divisor or factor."""
    for node in text.of(ast.expr):
        written = text.segment(node)
        match = _FIRST.fullmatch(written)
        name = match[1] or match[2] if match is not None else ""
        tensor = suspect.value(name) if name else None
        if isinstance(tensor, Tensor) and tensor.dim() > 1:
            yield Edit(text.replace(node, f"{name}.numel()"), written, f"{name}.numel()")
    for name in text.of(ast.Name):
        given = suspect.value(name.id)
        for count in named_counts(suspect) if type(given) is int else ():
            if count.value != given:
                yield Edit(text.replace(name, count.name), name.id, count.name)


_ROWS = (
    (
        _rows,
        "[{was}] selects all of these classes in every row; [{now}, ...] selects one class per "
        "row.",
    ),
)
_LATER = (*_ROWS, (due_operands, "{was} is used where {now} belongs."))
EDITS = (
    (_softmax, "log_softmax is used where the probabilities are needed: use softmax."),
    (_probabilities, "{was} is used where its probabilities are needed: softmax({was})."),
    *_ROWS,
    (regrouped, "The factor 1 / n applies to both terms: the mean divides the whole loss."),
    (_counted, "The count is {was}, but the mean is taken over {now}."),
)


def _overall(suspect: Suspect, times: float) -> Finding:
    """Return the finding that 1 / n is missing in both terms, or applied twice."""
    factor, _ = called(suspect, times)
    message = f"All of {suspect.hand.name} is {factor} times the correct gradient"
    text = suspect.text
    if text is not None and times < 1 and isinstance(text.tree, ast.AugAssign):
        fix = text.commented_out
        if suspect.corrects(fix):
            return Finding(f"{message}: it is scaled twice. Remove this line.", fix)
    templates = [template for template, _ in factors(suspect, 1 / times)]
    if text is not None and text.value is not None and not suspect.rest:
        scaled = suspect.first([text.scaled(text.value, template) for template in templates])
        if scaled is not None:
            return Finding(f"{message}.", scaled)
    lines = (_in_place(suspect, template.format(suspect.hand.name)) for template in templates)
    return addition(suspect, f"{message}.", lines, None)


def _in_place(suspect: Suspect, line: str) -> str:
    """Return `dlogits /= n` for `dlogits / n`."""
    name = suspect.hand.name
    if line.startswith(f"{name} / "):
        return f"{name} /= {line.removeprefix(f'{name} / ')}"
    return f"{name} = {line}"


def _one_hot(suspect: Suspect, fit: Fitted) -> Finding:
    message = (
        "The one-hot term is missing: subtract 1 from the probability of each row's target class."
    )
    return addition(suspect, message, _subtractions(suspect, fit), None)


def _subtractions(suspect: Suspect, fit: Fitted) -> Iterator[str]:
    direct = fit.terms[0].value.abs()
    value, classes = float(direct.max()), direct.argmax(-1)
    rows = f"range({count_named(suspect, suspect.right.shape[0])})"
    amounts = [t.format("1") for t, _ in factors(suspect, value)] if value != 1 else ["1"]
    for name, index in suspect.scope.indices().items():
        if index.shape == classes.shape and torch.equal(index, classes):
            yield from (f"{suspect.hand.name}[{rows}, {name}] -= {amount}" for amount in amounts)


def _one(suspect: Suspect, fit: Fitted) -> Finding | None:
    fix = suspect.first(rescaled(suspect, fit))
    wrong = sentence(suspect, fit, fix, _named)
    if wrong is None:
        return None
    return Finding(f"{wrong[0].upper()}{wrong[1:]}: both terms are divided by n.", fix)


def _named(statistic: str) -> str:
    return "the softmax term" if statistic else "the one-hot term"
