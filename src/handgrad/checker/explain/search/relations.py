"""A gradient as a linear combination of the correct terms, with readable coefficients."""

import ast
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from handgrad.checker.closeness import TENSORS, small
from handgrad.checker.explain.search.counts import named
from handgrad.checker.explain.search.edits import number
from handgrad.checker.explain.search.suspect import Suspect


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


def factors(suspect: Suspect, value: float) -> Iterator[tuple[str, str]]:
    """Yield templates that scale a term `{}` by a number, with the name of the number.

    2 -> ("2 * {}", "2"); 1/32 -> ("{} / n", "1 / n") where n is 32.
    """
    for constant in named(suspect, value) if abs(value) != 1 else ():
        if constant.over:
            yield f"{{}} / {constant.factor}", f"1 / {constant.factor}"
        else:  # n / (n - 1) * x needs no parentheses more
            factor = constant.text if " / " in constant.text else constant.factor
            yield f"{factor} * {{}}", constant.text


def called(suspect: Suspect, value: float) -> tuple[str, bool]:
    """Return the name of a number here (n, 1 / n) or its digits, and whether it has a name."""
    sign = "-" if value < 0 else ""
    name = next((name for _, name in factors(suspect, abs(value))), None)
    return (number(value), False) if name is None else (f"{sign}{name}", True)


def summands(tree: ast.expr) -> Iterator[ast.expr]:
    """Yield the terms of all sums and differences in an expression, the outermost first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield node.left
            yield node.right
