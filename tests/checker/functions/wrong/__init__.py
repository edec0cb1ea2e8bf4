"""Hand-written functions with one mistake each, by the code of its cause; and near misses of it.

A family of causes a file, as in `handgrad.checker.functions.causes`. A near miss is wrong in a way
that looks alike, or right, and must not get the code.
"""

from checker.functions.wrong import (
    contract,
    layouts,
    numbers,
    precision,
    second,
    sizes,
    state,
    upstream,
)
from checker.functions.wrong.case import Case

_FAMILIES = (contract, layouts, numbers, precision, second, sizes, state, upstream)


def _merged(tables: list[dict[str, list[Case]]]) -> dict[str, list[Case]]:
    return dict(sorted((code, cases) for table in tables for code, cases in table.items()))


MATCH = _merged([family.MATCH for family in _FAMILIES])
"""Cases of each cause."""
NEAR = _merged([family.NEAR for family in _FAMILIES])
"""Near misses of each cause: wrong in another way, or right."""
