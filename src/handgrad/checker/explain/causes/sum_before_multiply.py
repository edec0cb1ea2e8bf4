"""Summed before it was multiplied.

What: a.sum(0) * b.sum(0), or a * b.sum(0), where (a * b).sum(0) is meant.

Why: a factor that was broadcast collects the products of all the elements that it multiplied; the
sum of products is not the product of sums.

Wrong:

    # hpreact = bngain * bnraw + bnbias
    dbngain = bnraw.sum(0, keepdim=True) * dhpreact.sum(0, keepdim=True)

Right:

    dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
"""

from collections.abc import Iterator

from handgrad.checker.explain.search.calls import calls
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.products import products
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG112"
NAME = "sum before multiply"


def find(suspect: Suspect) -> Finding | None:
    """Move the sums of a product's factors out of it."""
    if suspect.text is None:
        return None
    fix = suspect.first(_moved(suspect.text))
    if fix is None:
        return None
    return Finding(
        "It is summed before it is multiplied: the sum of the products is meant, not the product "
        "of the sums.",
        fix,
    )


def _moved(text: Text) -> Iterator[str]:
    sums = {id(call.node): call for call in calls(text, ("sum",))}
    for product in products(text):
        if product.is_matrix:
            continue
        own = [sums.get(id(side)) for side in (product.left, product.right)]
        inner = [
            written if call is None else call.inner
            for call, written in zip(own, product.sides, strict=True)
        ]
        for call in own:
            if call is not None:
                yield text.replace(product.node, call.on(product.written(*inner)))
