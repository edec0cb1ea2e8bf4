"""Which statement of a gradient is off: each is held to the branch of the graph that it should add.

A node that is used twice gets two parts, one from each use, and their sum is its gradient.
`dcounts = ...` then `dcounts += ...` adds one part each; a statement that adds no part, or one that
was added already, is to blame, and so is the gradient as a whole where a part is added by none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations

import torch
from torch import Tensor

from handgrad.checker.pairs.hands import Hand
from handgrad.checker.passes.compare import FORMULA_LIMIT
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Op

MANY_PARTS = 8
"""With more parts than this, only single ones, all, and all but one are tried: 2^n grows fast."""


@dataclass
class Blamed:
    """The statements to blame for one gradient, and the parts that no statement adds."""

    statements: list[Statement] = field(default_factory=list)
    twice: list[Statement] = field(default_factory=list)
    """Those of them that add a part which another has added already."""
    missing: list[Op] = field(default_factory=list)
    added: Tensor | None = None
    """Where every statement adds a part and some are missing: what those there add up to."""
    corrections: dict[int, Tensor] = field(default_factory=dict)
    """What a half-built gradient should have been, by the Bind's index, where that is clear."""


def to_blame(
    hand: Hand,
    changes: Mapping[int, Tensor],
    parts: Sequence[tuple[Op, Tensor]],
    truth: Tensor,
    noise: Tensor,
) -> Blamed:
    """Hold each statement's change to the parts. For a gradient that is locally wrong."""
    groups = grouped(hand)
    if any(_replaces(statement) for statement, _ in groups):
        return Blamed(responsible(groups, changes, truth, noise))
    values = [part for _, part in parts]
    free, used = set(range(len(parts))), set[int]()
    blamed = Blamed()
    for statement, binds in groups:
        change = _total([changes[b.index] for b in binds])
        if change is not None and not change.any():
            continue
        if (fit := matching(change, values, free, noise)) is not None:
            free, used = free - fit, used | fit
        else:
            blamed.statements.append(statement)
            if matching(change, values, used, noise) is not None:
                blamed.twice.append(statement)
    blamed.missing = [parts[i][0] for i in sorted(free) if _matters(values[i], noise)]
    if not blamed.statements:
        blamed.statements.append(groups[-1][0])
        blamed.added = _total([values[i] for i in sorted(used)])
    elif len(blamed.statements) == 1 and not blamed.twice:
        _correct(blamed, groups, changes, [values[i] for i in free])
    return blamed


def grouped(hand: Hand) -> list[tuple[Statement, list[Bind]]]:
    """Return the gradient's own statements, each with its executions (a loop runs one often)."""
    groups: dict[object, tuple[Statement, list[Bind]]] = {}
    for bind in hand.binds:
        if not bind.alias:
            groups.setdefault(bind.statement, (bind.statement, []))[1].append(bind)
    return list(groups.values())


def responsible(
    groups: Sequence[tuple[Statement, list[Bind]]],
    changes: Mapping[int, Tensor],
    truth: Tensor,
    noise: Tensor,
) -> list[Statement]:
    """Return the statement to blame where some scale what stood there or set a part of it.

    None of them adds a branch of its own then (`d = softmax(x)`, `d[i, y] -= 1`, `d /= n`), but
    each has touched certain elements: what is off only there came by the one that touched least.
    """
    made = [change for _, binds in groups for change in [_total([changes[b.index] for b in binds])]]
    sums = [c for c in made if c is not None and c.shape == truth.shape]
    if len(sums) < len(made):
        return [groups[-1][0]]
    after = [torch.stack(sums[: k + 1]).sum(0) for k in range(len(sums))]
    later = range(1, len(sums))
    scaling = [k for k in later if multiple_of(after[k], after[k - 1], noise) is not None]
    wrong = ~_near(after[-1], truth, noise)
    masks = [k for k in later if _replaces(groups[k][0]) and not (after[k] * sums[k]).any()]
    if scaling and multiple_of(after[-1], truth, noise) is not None:
        return [groups[scaling[-1]][0]]  # off by one factor everywhere
    if masks and not truth[wrong].any() and not sums[masks[-1]][wrong].any():
        return [groups[masks[-1]][0]]  # what ought to be 0 was not set to 0
    # `d /= n` touches all, and can make nothing wrong that one factor does not mend
    reach = {k: c != 0 for k, c in enumerate(sums) if k not in scaling}
    enough = [k for k, touched in reach.items() if not (wrong & ~touched).any()]
    least = min(enough, key=lambda k: (int(reach[k].sum()), -k), default=len(sums) - 1)
    return [groups[least][0]]


def matching(
    change: Tensor | None, values: Sequence[Tensor], allowed: set[int], noise: Tensor
) -> set[int] | None:
    """Return the fewest of the allowed parts whose sum is `change`, or None."""
    if change is None:
        return None
    order = sorted(allowed)
    sizes = range(1, len(order) + 1)
    if len(order) > MANY_PARTS:
        sizes = sorted({1, len(order) - 1, len(order)})  # type: ignore[assignment]
    for subset in chain.from_iterable(combinations(order, size) for size in sizes):
        total = _total([values[i] for i in subset])
        if total is not None and total.shape == change.shape and _close(change, total, noise):
            return set(subset)
    return None


def _correct(
    blamed: Blamed,
    groups: Sequence[tuple[Statement, list[Bind]]],
    changes: Mapping[int, Tensor],
    rest: Sequence[Tensor],
) -> None:
    """The one statement that fits nothing should have added all that no other adds."""
    before: list[Tensor] = []
    for statement, binds in groups[:-1]:
        if statement is blamed.statements[0]:
            right = _total([*before, *rest])
            if right is not None:
                blamed.corrections[binds[-1].index] = right
            blamed.missing = []
            return
        before += [changes[b.index] for b in binds]
    blamed.missing = []


def _total(values: Sequence[Tensor]) -> Tensor | None:
    if not values or any(v.shape != values[0].shape for v in values):
        return None
    return torch.stack(list(values)).sum(0) if len(values) > 1 else values[0]


def _replaces(statement: Statement) -> bool:
    return statement.scales or statement.sets


def _close(a: Tensor, b: Tensor, noise: Tensor) -> bool:
    return bool(_near(a, b, noise).all())


def _near(a: Tensor, b: Tensor, noise: Tensor) -> Tensor:
    own = 8 * torch.finfo(torch.float32).eps * (a.abs() + b.abs())
    return (a - b).abs() <= FORMULA_LIMIT * noise + own


def multiple_of(a: Tensor, b: Tensor, noise: Tensor) -> float | None:
    """Return the one number that makes `a` of `b`, None where there is none."""
    square = (b * b).sum()
    factor = float((a * b).sum() / square) if square else 0.0
    return factor if _close(a, factor * b, noise * max(1.0, abs(factor))) else None


def _matters(part: Tensor, noise: Tensor) -> bool:
    return bool((part.abs() > FORMULA_LIMIT * noise).any())
