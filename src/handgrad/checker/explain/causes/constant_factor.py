"""Wrong by a constant factor.

What: the whole gradient, or one expression in the line, is too large or too small by one factor.

Why: a factor of the forward pass is missing or doubled: the 2 of a square, the 1/n of a mean, the
batch size, the square root of a width.

Wrong:

    # bndiff2 = bndiff**2
    dbndiff += bndiff * dbndiff2

Right:

    dbndiff += 2 * bndiff * dbndiff2
"""

from dataclasses import replace

from handgrad.checker.explain.search.counts import fraction, named
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import numbers
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.shares import constant, ignores_upstream
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG103"
NAME = "constant factor"
ORDER = 310
EDITS = tuple(
    (rule, "{was}")
    for rule in (
        numbers.without_number,
        numbers.other_count,
        numbers.names_formed,
        numbers.factors,
        numbers.terms,
    )
)


def find(suspect: Suspect) -> Finding | None:
    """Take each number out of the line, or put one in; name the factor by which all is off."""
    off = constant(suspect)
    if ignores_upstream(suspect):
        return None  # whatever number comes back here, it is not this line's
    names = list(named(suspect, abs(off))) if off is not None else []
    found = edited(suspect, EDITS)
    whole = None
    if off is not None:
        sign = "-" if off < 0 else ""
        factor = names[0].factor if names else fraction(abs(off))
        factor = names[0].spoken if names and off > 0 else f"{sign}{factor}"
        whole = f"Off by the factor {factor}."
    if found is not None:
        exact = "counts" in str(found.message)
        return found if whole is None or exact else replace(found, message=whole)
    return Finding(whole) if whole is not None and (names or numbers.is_plain(off)) else None
