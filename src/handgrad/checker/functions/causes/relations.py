"""Sizes that are right or wrong by comparison: K below V, more rows than columns."""

from collections.abc import Callable
from itertools import permutations

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.text import listed

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
LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 257)
"""Sizes of one letter, among which a limit is sought."""
EACH = 3
"""So many of them must be right, and so many wrong."""


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
    if e.sample.apart:
        return _equal_in_examples(e)
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


@cause("HG193", "wrong beyond a size", turn=Turn.GENERAL)
def limit(e: FunctionEvidence) -> FunctionFinding | None:
    """The result is right up to a size, or only from a size on.

    What
        One more row, token or channel than a limit, and the result is wrong; or fewer.
    Why
        A buffer, a block or a loop has a fixed length. Short inputs take another path.
    Wrong
        acc = [0.0] * 64
    Right
        acc = [0.0] * n
    """
    if not e.comparable or e.sample.dtype != e.explored.base.dtype:
        return None  # in lower precision, errors grow with a size
    for letter in e.sample.size_of:
        failing = {n: e.fails(e.sample.sized({letter: n})) for n in LADDER}
        known = [n for n, fails in failing.items() if fails is not None]
        wrong = [n for n in known if failing[n]]
        right = [n for n in known if not failing[n]]
        if min(len(wrong), len(right)) < EACH:
            continue
        if max(right) < min(wrong):
            last = _last(e, letter, max(right), min(wrong), False)
            return _beyond(f"if {letter} is more than {last}", f"up to {last} it is right")
        if max(wrong) < min(right):
            last = _last(e, letter, max(wrong), min(right), True)
            return _beyond(f"if {letter} is at most {last}", "for larger sizes it is right")
    return None


def _last(e: FunctionEvidence, letter: str, low: int, high: int, fails: bool) -> int:
    """Return the last size that fails, or does not, as `low` does and `high` does not."""
    while high - low > 1:
        middle = (low + high) // 2
        if e.fails(e.sample.sized({letter: middle})) is fails:
            low = middle
        else:
            high = middle
    return low


def _beyond(condition: str, otherwise: str) -> FunctionFinding:
    return FunctionFinding(
        f"The result is wrong {condition}; {otherwise}.",
        "Look for a fixed length: of a buffer, a block, a loop or a mask; and for another path "
        "that short inputs take.",
    )


def _equal_in_examples(e: FunctionEvidence) -> FunctionFinding | None:
    linked = e.bench.inputs.linked
    if linked is None:
        return None
    sizes = listed(linked.texts(e.sample.apart))
    return FunctionFinding(
        f"If {sizes} differ, {e.failure}; in the examples they are equal.",
        f"Look where one of these sizes is used in place of another: in shapes, strides, loop "
        f"bounds and masks; if they must be equal, say so: {linked.dims()}.",
    )


def _finding(e: FunctionEvidence, condition: str, a: str, b: str) -> FunctionFinding:
    return FunctionFinding(
        f"If {condition}, {e.failure}; otherwise it is right.",
        f"Look where one of {a} and {b} is used in place of the other: in shapes, strides, loop "
        f"bounds and masks.",
    )
