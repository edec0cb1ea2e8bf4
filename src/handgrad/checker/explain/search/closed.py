"""Closed forms: a gradient as a linear combination of the correct terms, and the wrong terms."""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from handgrad.checker.closeness import TENSORS, small
from handgrad.checker.explain.search.counts import called, factors
from handgrad.checker.explain.search.once import once
from handgrad.checker.explain.search.paths import Term, terms
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.text import listed


@dataclass(frozen=True)
class Fitted:
    """The user's gradient as a sum of the terms of the true gradient, each `times` a number."""

    terms: tuple[Term, ...]
    times: tuple[float, ...]

    @property
    def lost(self) -> tuple[Term, ...]:
        """The terms that are missing."""
        pairs = zip(self.terms, self.times, strict=True)
        return tuple(term for term, c in pairs if is_near(c, 0.0))

    @property
    def off(self) -> tuple[tuple[Term, float], ...]:
        """The terms with a wrong factor, and the factor."""
        pairs = zip(self.terms, self.times, strict=True)
        return tuple((t, c) for t, c in pairs if not is_near(c, 1.0) and not is_near(c, 0.0))

    @property
    def overall(self) -> float | None:
        """The common factor of all terms, if there is one."""
        first = self.times[0]
        same = all(is_near(c / first, 1.0) for c in self.times) if first else False
        return first if same else None


def coefficients(made: Tensor, terms: Sequence[Tensor]) -> list[float] | None:
    """Return c with made = c[0] * terms[0] + c[1] * terms[1] + ...; None if there is none.

    Also None if the terms are too similar to determine the numbers.
    """
    if any(t.shape != made.shape for t in terms) or made.numel() <= len(terms):
        return None
    columns = torch.stack([t.double().flatten() for t in terms], 1)
    given = made.double().flatten()
    if not columns.isfinite().all() or not given.isfinite().all():
        return None
    sizes = columns.norm(dim=0)
    if not sizes.all():
        return None
    scaled = columns / sizes
    if float(torch.linalg.cond(scaled)) > 1e4:
        return None
    found = torch.linalg.lstsq(scaled, given[:, None]).solution[:, 0]
    scale = (scaled * found).abs().sum(1) + given.abs()
    if not small(scaled @ found - given, scale).all():
        return None
    return [round(c, 9) for c in (found / sizes).tolist()]


def is_near(value: float, number: float) -> bool:
    """Tell whether a coefficient is that number."""
    return abs(value - number) <= TENSORS * max(1.0, abs(number))


@once
def fitted(suspect: Suspect) -> Fitted | None:
    """Return the terms with their factors; None if the user's gradient is no sum of them."""
    if suspect.made.shape != suspect.right.shape:
        return None
    if not suspect.made.is_floating_point() or not bool(suspect.made.any()):
        return None
    all_terms = terms(suspect)
    times = coefficients(suspect.made, [t.value for t in all_terms]) if all_terms else None
    return None if times is None else Fitted(all_terms, tuple(times))


def summands(tree: ast.expr) -> Iterator[ast.expr]:
    """Yield the terms of all sums and differences in an expression, the outermost first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield node.left
            yield node.right


def rescaled(suspect: Suspect, fit: Fitted) -> Iterator[str]:
    """Yield the statement with one of its terms divided by a wrong factor of the fit."""
    text = suspect.text
    if text is None or text.value is None:
        return
    parts = list(dict.fromkeys([*summands(text.value), text.value]))
    inner = [p for p in text.of(ast.BinOp) if isinstance(p.op, ast.Mult | ast.Div)]
    for product in inner:
        if isinstance(suspect.value(text.segment(product.right)), int | float):
            yield text.replace(product, text.segment(product.left))
        if isinstance(product.op, ast.Mult) and isinstance(
            suspect.value(text.segment(product.left)), int | float
        ):
            yield text.replace(product, text.segment(product.right))
    for times in dict.fromkeys(c for _, c in fit.off):
        for part in dict.fromkeys([*parts, *inner]):
            for template, _ in factors(suspect, abs(1 / times)):
                scaled = template if times > 0 else f"-{template}"
                yield text.scaled(part, scaled)
            if is_near(times, -1.0):
                yield text.scaled(part, "-{}")


def sentence(
    suspect: Suspect, fit: Fitted, fix: str | None, named: Callable[[str], str]
) -> str | None:
    """Return which terms are wrong, and how; `named` gives the words for a term by its name.

    None if nothing is certain: no line is correct, and a factor is no known number.
    """
    wrong = [f"{named(term.name)} is missing" for term in fit.lost]
    off = [(named(term.name), times) for term, times in fit.off]
    if fit.overall is not None:
        off = [("the whole gradient", fit.overall)]
    for term, times in off:
        factor, known = called(suspect, times)
        if fit.overall is None and is_near(times, -1.0):
            wrong.append(f"the sign of {term} is wrong")
        elif known or fix is not None:
            wrong.append(f"{term} is {factor} times the correct one")
        else:
            return None
    return "; ".join(wrong)


def statistics(terms: Sequence[Term]) -> str:
    """Return the names of statistics as text: `the mean and the variance in batch_norm`."""
    names = [term.name for term in terms]
    ends = {name.partition(" in ")[2] for name in names}
    if len(ends) == 1 and len(names) > 1 and "" not in ends:
        names = [*(name.partition(" in ")[0] for name in names[:-1]), names[-1]]
    return listed(names)


def target(suspect: Suspect) -> str:
    """Return the target of the statement with its `=` or `+=`."""
    text = suspect.text
    assert text is not None
    if isinstance(text.tree, ast.AugAssign):
        sign = "-" if isinstance(text.tree.op, ast.Sub) else "+"
        return f"{text.segment(text.tree.target)} {sign}="
    return f"{suspect.hand.name} ="


def is_fused(suspect: Suspect) -> bool:
    """Tell whether the statement skips the gradients of the node's direct consumers."""
    nodes = [hand.node.value for hand in suspect.reads if hand.node is not None]
    read = {id(value) for value in nodes if value.dim() > 0}
    return not read or not read <= suspect.backward.consumers.get(id(suspect.node.value), set())


def is_softmax(suspect: Suspect) -> bool:
    """Tell whether a softmax lies between the node and the gradients that the line reads.

    It has two terms, and the rows of their sum add up to 0, because a constant added to all scores
    of a row changes nothing.
    """
    return len(terms(suspect)) == 2 and bool(suspect.reads) and cancels(suspect.right, -1)


def cancels(gradient: Tensor, dim: int) -> bool:
    """Tell whether a gradient adds up to 0 along a dimension."""
    return bool((gradient.sum(dim).abs() <= 1e-9 * gradient.abs().sum(dim) + 1e-30).all())


def tensors(suspect: Suspect) -> dict[str, Tensor]:
    """Return the floating-point tensors in scope that are not gradients, as recorded."""
    names = suspect.scope
    values = {n: names.given(n) for n in names if n not in suspect.gradients.values()}
    return {n: v for n, v in values.items() if isinstance(v, Tensor) and v.is_floating_point()}
