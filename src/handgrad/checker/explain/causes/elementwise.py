"""`*` for `@`, or `@` for `*`.

What: a matrix product where the forward multiplies element by element, or the reverse.

Why: for y = x @ W each element of dx collects from a whole row of dy, dx = dy @ W.T; for y = a * b
each element of da gets from one alone, da = dy * b. Where the shapes broadcast, or a matrix is
square, the wrong one runs.

Wrong:

    # logits = h @ W2 + b2
    dh = dlogits * W2

Right:

    dh = dlogits @ W2.T
"""

from collections.abc import Iterator

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.products import Product, products
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG115"
NAME = "elementwise for a matrix product"


def find(suspect: Suspect) -> Finding | None:
    """Exchange the two kinds of product, with their factors each way."""
    if suspect.text is None:
        return None
    for fix, what in _exchanged(suspect.text):
        if suspect.mends(fix):
            return Finding(what, fix)
    return None


def _exchanged(text: Text) -> Iterator[tuple[str, str]]:
    for product in products(text):
        (left, right), (a, b) = product.sides, product.turned()
        if product.is_matrix:
            said = f"{_sign(product)} is a matrix product; the forward multiplies elementwise."
            yield product.other_kind(left, right), said
            continue
        ways = [(x, y) for x in (left, a) for y in (right, b)]
        for x, y in [*ways, *((y, x) for x, y in ways)]:
            yield (
                product.other_kind(x, y),
                f"{_sign(product)} multiplies elementwise; the forward's product is a matrix "
                f"product: {x.strip()} @ {y.strip()}.",
            )


def _sign(product: Product) -> str:
    if product.head:
        return product.head
    return "`@`" if product.is_matrix else "`*`"
