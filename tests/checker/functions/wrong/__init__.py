"""Hand-written functions with one planted mistake each, and near misses, by the code of the cause.

One file for each module of `handgrad.checker.functions.causes`. A near miss is wrong in a similar
way, or right, and must not get the code.
"""

from typing import Any

from checker.functions.wrong import (
    contract,
    elements,
    graph,
    kinks,
    layouts,
    numbers,
    operations,
    precision,
    ranges,
    relations,
    second,
    sizes,
    state,
    upstream,
)
from checker.functions.wrong.case import Case

_FAMILIES = (
    contract, elements, graph, kinks, layouts, numbers, operations, precision, ranges, relations,
    second, sizes, state, upstream,
)  # fmt: skip


def _merged(tables: list[dict[str, Any]]) -> dict[str, Any]:
    return dict(sorted(item for table in tables for item in table.items()))


MATCH: dict[str, list[Case]] = _merged([family.MATCH for family in _FAMILIES])
"""Mistakes of each cause."""
NEAR: dict[str, list[Case]] = _merged([family.NEAR for family in _FAMILIES])
"""Near misses of each cause: wrong in another way, or right."""
SAYS: dict[str, tuple[str, str, str]] = _merged([family.SAYS for family in _FAMILIES])
"""Where each cause's first mistake fails, the message, and the fix."""
VARIED: dict[str, tuple[str, ...]] = {
    code: family.VARIED for family in _FAMILIES for code in family.MATCH
}
"""The circumstances that may show each mistake, and its near misses."""
ONE_OF_EACH = {code: family.MATCH[code][0] for family in _FAMILIES for code in [min(family.MATCH)]}
"""One mistake of each file, to be checked over the whole grid."""
