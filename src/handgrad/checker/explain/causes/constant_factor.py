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
from handgrad.checker.explain.search.grammar import numbers, scales
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.scaling import scaled_wrongly
from handgrad.checker.explain.search.shares import constant, ignores_upstream
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG103"
NAME = "constant factor"
ORDER = 310
EDITS = (
    (numbers.without_number, "{was}"),
    (numbers.other_count, "{was}"),
    (numbers.names_formed, "{was}"),
    (numbers.factors, "{was}"),
    (numbers.terms, "{was}"),
    (scales.scaled_terms, "{was}"),
)


def find(suspect: Suspect) -> Finding | None:
    """Remove, insert or change a number; name the factor by which the whole is wrong."""
    scaled = scaled_wrongly(suspect)
    if scaled is not None:
        return scaled
    off = constant(suspect)
    if ignores_upstream(suspect):
        return None  # whatever number comes back here, it is not this line's
    found = edited(suspect, EDITS)
    if off is None:
        return found
    name = next(named(suspect, abs(off)), None)
    sign = "-" if off < 0 else ""
    factor = f"{sign}{fraction(abs(off)) if name is None else name.factor}"
    whole = f"Off by the factor {name.spoken if name is not None and off > 0 else factor}."
    if found is None:
        return Finding(whole) if name is not None or numbers.is_plain(off) else None
    return found if "counts" in str(found.message) else replace(found, message=whole)
