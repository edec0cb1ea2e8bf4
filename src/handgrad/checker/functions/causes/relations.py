"""Sizes that are right or wrong by comparison: K below V, more rows than columns."""

from collections.abc import Callable
from itertools import permutations

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding

SMALLER = ((3, 5), (2, 7), (6, 11), (5, 6))
"""Pairs of sizes, the first one smaller."""
EQUAL = ((3, 3), (5, 5), (7, 7))
Pair = tuple[int, int]
RELATIONS: tuple[tuple[str, Callable[[Pair], bool]], ...] = (
    ("{a} < {b}", lambda pair: pair[0] < pair[1]),
    ("{a} is at most {b}", lambda pair: pair[0] <= pair[1]),
    ("{a} and {b} differ", lambda pair: pair[0] != pair[1]),
    ("{a} = {b}", lambda pair: pair[0] == pair[1]),
)
LIMITS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 127, 128, 192, 256, 257, 512, 1024)
"""Sizes of one letter, among which a limit is sought."""


@cause("HG185", "sizes compared", turn=Turn.CONDITION)
def relation(e: FunctionEvidence) -> FunctionFinding | None:
    """The result is right or wrong depending on which of two sizes is larger.

    What
        Right for square inputs, or if one size is the larger one; wrong otherwise.
    Why
        One size is used in place of another: the number of keys for that of queries, K for V. A
        test in which both are equal cannot tell them apart.
    Wrong
        offsets = tl.arange(0, K)         # of a row that has V elements
    Right
        offsets = tl.arange(0, V)
    """
    if not e.comparable and e.kind not in ("raised", "shape"):
        return None
    pairs = (*SMALLER, *((b, a) for a, b in SMALLER), *EQUAL)
    for a, b in permutations(e.sample.size_of, 2):
        failing: dict[Pair, bool | None] = {}
        for pair in pairs:
            failing[pair] = e.fails(e.sample.sized({a: pair[0], b: pair[1]}))
        judged = {pair: fails for pair, fails in failing.items() if fails is not None}
        if len(judged) < len(pairs) - 2 or len(set(judged.values())) < 2:
            continue
        for text, holds in RELATIONS:
            if a > b and "{a} <" not in text and "at most" not in text:
                continue  # symmetric
            if all(holds(pair) == fails for pair, fails in judged.items()):
                return _finding(e, text.format(a=a, b=b), a, b)
    return None


def _finding(e: FunctionEvidence, condition: str, a: str, b: str) -> FunctionFinding:
    failure = f"{e.phase} raises this" if e.kind == "raised" else "the result is wrong"
    return FunctionFinding(
        f"If {condition}, {failure}; otherwise it is right.",
        f"Look where {a} is used for {b}, or the other way round: in shapes, strides, loop bounds "
        f"and masks.",
    )
