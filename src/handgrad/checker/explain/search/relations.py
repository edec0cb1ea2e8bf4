"""What was made as so many times each of the right terms, and numbers as one types them."""

import ast
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from handgrad.checker.explain.search.edits import number
from handgrad.checker.explain.search.suspect import CLOSE, Suspect

SMALL = 1e-6
"""How far a coefficient may be from the number that it is taken for: constants that came through
the user's dtype are 1e-7 off, and terms that nearly cancel enlarge that."""


def coefficients(made: Tensor, terms: Sequence[Tensor]) -> list[float] | None:
    """Return c with made = c[0] * terms[0] + c[1] * terms[1] + ...; None where there is none.

    None, too, where the terms are too alike for the numbers to be told.
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
    left = (scaled @ found - given).abs()
    scale = (scaled * found).abs().sum(1) + given.abs()
    if not bool((left <= CLOSE * (scale + scale.mean())).all()):
        return None
    return [round(c, 9) for c in (found / sizes).tolist()]


def is_near(value: float, number: float) -> bool:
    """Tell whether a coefficient is that number."""
    return abs(value - number) <= SMALL * max(1.0, abs(number)) * 10


def factors(suspect: Suspect, value: float) -> Iterator[tuple[str, str]]:
    """Yield what may scale a term by a number, `{}` standing for the term, and what it is called.

    2 -> ("2 * {}", "2"); 1/32 -> ("{} / n", "1 / n") where n is 32.
    """
    if not value or abs(value) == 1:
        return
    for plain in (2.0, 3.0, 4.0, 0.5, 0.25):
        if is_near(value, plain):
            yield f"{number(plain)} * {{}}", number(plain)
    for name, count in counts(suspect).items():
        less = f"({name} - 1)"
        for factor, template, said in (
            (count, f"{name} * {{}}", name),
            (1 / count, f"{{}} / {name}", f"1 / {name}"),
            (count - 1, f"{less} * {{}}", f"{name} - 1"),
            (1 / (count - 1), f"{{}} / {less}", f"1 / {less}"),
            (count / (count - 1), f"{name} / {less} * {{}}", f"{name} / {less}"),
            ((count - 1) / count, f"{less} / {name} * {{}}", f"{less} / {name}"),
        ):
            if is_near(value / factor, 1.0):
                yield template, said
    yield from _roots(suspect, value)


def _roots(suspect: Suspect, value: float) -> Iterator[tuple[str, str]]:
    """Yield the square root of a size, and numbers with a fraction that have a name: scales."""
    named = {f"{name}**0.5": count**0.5 for name, count in counts(suspect).items()}
    for name, root in {**_fractions(suspect), **named}.items():
        if is_near(value / root, 1.0):
            yield f"{name} * {{}}", name
        if is_near(value * root, 1.0):
            yield f"{{}} / {name}", f"1 / {name}"


def _fractions(suspect: Suspect) -> dict[str, float]:
    names = suspect.views[0].moment.names if suspect.views else ()
    given = {name: names.given(name) for name in names}  # type: ignore[union-attr]
    return {n: v for n, v in given.items() if isinstance(v, float) and v not in (0.0, 1.0)
            and abs(v) < 1e6}  # fmt: skip


def called(suspect: Suspect, value: float) -> tuple[str, bool]:
    """Return a number by the name that it goes by here (n, 1 / n), and whether it has one."""
    sign = "-" if value < 0 else ""
    name = next((said for _, said in factors(suspect, abs(value))), None)
    return (number(value), False) if name is None else (f"{sign}{name}", True)


def count_named(suspect: Suspect, value: int) -> str:
    """Return a count by its name, or in digits."""
    return next((n for n, count in counts(suspect).items() if count == value), str(value))


def counts(suspect: Suspect) -> dict[str, int]:
    """Return the numbers that may count something here, by name: names first, then sizes."""
    names = suspect.views[0].moment.names if suspect.views else ()
    sizes = {size for b in suspect.names.values() for size in b.value.shape}
    found = {}
    for name in names:
        value = names.given(name)  # type: ignore[union-attr]
        if isinstance(value, int) and not isinstance(value, bool) and value > 2 and value in sizes:
            found[name] = value
    for dim, size in enumerate(suspect.node.value.shape):
        if size > 2 and size not in found.values():
            found[f"{suspect.node.name}.shape[{dim}]"] = size
    return found


def summands(tree: ast.expr) -> Iterator[ast.expr]:
    """Yield what is added or subtracted anywhere in an expression, the outermost first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield node.left
            yield node.right
