"""A term of softmax and cross-entropy's closed form is wrong.

What: dlogits = (softmax(logits, 1) - one_hot(Yb)) / n. The one-hot is forgotten, 1 / n is applied
to one of the two terms, twice or not at all, or something else stands for the probabilities.

Why: the loss is the mean of logsumexp(logits) - logits[Yb]: the first gives the probabilities, the
second takes 1 off the right class of each row, and the mean divides both by n.

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

from handgrad.checker.explain.search.additions import addition
from handgrad.checker.explain.search.closed import (
    Fitted,
    fitted,
    is_fused,
    regrouped,
    rescaled,
    terms_of,
    wrapped,
)
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.later import mended_later
from handgrad.checker.explain.search.relations import called, count_named, counts, factors, is_near
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG120"
NAME = "softmax and cross-entropy's closed form"
_FIRST = re.compile(r"len\((\w+)\)|(\w+)\.(?:shape\[0\]|size\(0\))")
"""The number of a tensor's rows, as one writes it."""


def find(suspect: Suspect) -> Finding | None:
    """Change the line where it may be off; then fit it as a sum of the two terms."""
    if not is_fused(suspect) or not _is_block(suspect):
        return None
    text = suspect.text
    for fix, said in _edits(suspect, text) if text is not None else ():
        if suspect.mends(fix):
            return Finding(said, fix)
    later = mended_later(suspect, lambda text: _rows(suspect, text))
    if later is not None:
        return later
    fit = fitted(suspect)
    if fit is None or all(is_near(c, 1.0) for c in fit.times):
        return None
    if fit.overall is not None:
        return _overall(suspect, fit.overall)
    if any(not term.name for term in fit.lost):
        return _one_hot(suspect, fit)
    return _one(suspect, fit)


def _is_block(suspect: Suspect) -> bool:
    """Two terms, the direct one of which is one number in each row, and 0 beside it."""
    found = terms_of(suspect) if suspect.views and suspect.right.dim() > 1 else ()
    if len(found) != 2:
        return False
    direct = found[0].value
    return bool(((direct != 0).sum(-1) <= 1).all()) and direct.shape[-1] > 2


def _edits(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    for node in text.of(ast.Attribute):
        if node.attr == "log_softmax":
            softmax = text.segment(node).replace("log_softmax", "softmax")
            yield (
                text.replace(node, softmax),
                "log_softmax stands where the probabilities belong: softmax.",
            )
    for own in text.of(ast.Name):
        if own.id == suspect.node.name and isinstance(text.parent(own), ast.BinOp):
            yield (
                text.wrap(own, "torch.softmax({}, 1)"),
                f"{own.id} stands where its probabilities belong: softmax({own.id}).",
            )
    yield from _rows(suspect, text)
    said = "1 / n belongs to both terms: the mean is taken of all of it."
    yield from ((fix, said) for fix in regrouped(text))
    yield from _counted(suspect, text)


def _rows(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    """Yield one class for each row where `[:, Yb]` takes all of them from each."""
    for node in ast.walk(text.tree):
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
            continue
        first = node.slice.elts[0]
        if isinstance(first, ast.Slice) and first.lower is None and first.upper is None:
            index = text.segment(node.slice)
            rows = f"range({count_named(suspect, suspect.right.shape[0])})"
            moved = f"{text.segment(node.value)}[{index.replace(':', rows, 1)}]"
            said = (
                f"[{index}] takes every one of these classes from every row; [{rows}, ...] takes "
                "one from each."
            )
            yield text.replace(node, moved), said


def _counted(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    """Yield another count for what the line divides or multiplies by."""
    known = counts(suspect)
    for node in text.of(ast.expr):
        written = text.segment(node)
        given = _FIRST.fullmatch(written)
        name = given[1] or given[2] if given is not None else ""
        tensor = suspect.value(name) if name else None
        if isinstance(tensor, Tensor) and tensor.dim() > 1:
            said = f"It counts {written} where the mean is taken over {name}.numel()."
            yield text.replace(node, f"{name}.numel()"), said
    for name in text.of(ast.Name):
        for other in known if name.id in known else ():
            if known[other] != known[name.id]:
                said = f"It counts {name.id} where the mean is taken over {other}."
                yield text.replace(name, other), said


def _overall(suspect: Suspect, times: float) -> Finding:
    """Say that 1 / n is missing from the whole, or there twice."""
    said, _ = called(suspect, times)
    message = f"All of {suspect.hand.name} is {said} times what is right"
    text = suspect.text
    if text is not None and times < 1 and isinstance(text.tree, ast.AugAssign):
        fix = f"# {text.text}"
        if suspect.mends(fix):
            return Finding(f"{message}: it is scaled twice. Leave this line out.", fix)
    value = text.value if text is not None else None
    lines = [t.format(f"{suspect.hand.name}") for t, _ in factors(suspect, 1 / times)]
    if text is not None and value is not None and not suspect.rest:
        for template, _ in factors(suspect, 1 / times):
            fix = wrapped(text, value, template)
            if suspect.mends(fix):
                return Finding(f"{message}.", fix)
    return addition(suspect, f"{message}.", (_in_place(suspect, line) for line in lines), None)


def _in_place(suspect: Suspect, line: str) -> str:
    """Return `dlogits /= n` for `dlogits / n`."""
    own = suspect.hand.name
    if line.startswith(f"{own} / "):
        return f"{own} /= {line.removeprefix(f'{own} / ')}"
    return f"{own} = {line}"


def _one_hot(suspect: Suspect, fit: Fitted) -> Finding:
    said = (
        "The one-hot term is missing: the right class of each row is to get 1 less than its "
        "probability."
    )
    return addition(suspect, said, _taken_off(suspect, fit), None)


def _taken_off(suspect: Suspect, fit: Fitted) -> Iterator[str]:
    own, value = suspect.hand.name, float(fit.terms[0].value.abs().max())
    rows = f"range({count_named(suspect, suspect.right.shape[0])})"
    amounts = [t.format("1") for t, _ in factors(suspect, value)] if value != 1 else ["1"]
    for name in _classes(suspect, fit.terms[0].value):
        yield from (f"{own}[{rows}, {name}] -= {amount}" for amount in amounts)


def _classes(suspect: Suspect, direct: Tensor) -> Iterator[str]:
    """Yield the names of what picks the elements that the direct term stands at."""
    names, at = suspect.views[0].moment.names, direct.abs().argmax(-1)
    for name in names:
        value = names.given(name)
        whole = isinstance(value, Tensor) and value.dtype == torch.int64
        if whole and value.shape == at.shape and torch.equal(value, at):
            yield name


def _one(suspect: Suspect, fit: Fitted) -> Finding | None:
    fix = suspect.first(rescaled(suspect, fit))
    said = [f"{_named(term.name)} is missing" for term in fit.lost]
    for term, times in fit.off:
        if is_near(times, -1.0):
            said.append(f"the sign of {_named(term.name)} is turned")
        else:
            name, known = called(suspect, times)
            if not known and fix is None:
                return None
            said.append(f"{_named(term.name)} is {name} times what is right")
    sentence = "; ".join(said)
    return Finding(f"{sentence[0].upper()}{sentence[1:]}: both terms are divided by n.", fix)


def _named(statistic: str) -> str:
    return "the probabilities' term" if statistic else "the one-hot term"
