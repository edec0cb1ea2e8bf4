"""Which statement of a gradient is wrong: each is compared with the contribution it should add.

A node that is read twice gets two contributions, one from each use, and their sum is its gradient.
`dcounts = ...` and then `dcounts += ...` add one each. To blame is a statement that adds none, or
one that was added already; and the gradient as a whole where no statement adds a contribution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations

import torch
from torch import Tensor

from handgrad.checker.pairs.hands import Definition
from handgrad.checker.passes.compare import FORMULA_LIMIT, multiple_of, near
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Op

MANY_PARTS = 8
"""With more contributions than this, only single ones, all, and all but one are tried: the number
of subsets grows as 2^n."""

Group = tuple[Statement, list[Bind]]
"""A statement with its executions; a loop runs one often."""


@dataclass(frozen=True, eq=False)
class Blame:
    """The statements to blame for one gradient, and the contributions that no statement adds."""

    statements: tuple[Statement, ...] = ()
    twice: tuple[Statement, ...] = ()
    """Those of them that add a contribution which another statement has added already."""
    missing: tuple[Op, ...] = ()
    """The operations whose contributions are missing."""
    added: Tensor | None = None
    """The sum of the contributions so far, where every statement adds one and some are missing."""
    corrections: Mapping[int, Tensor] = field(default_factory=dict)
    """What a half-built gradient should have been, by the Bind's index, where that is clear."""

    def also(self, statement: Statement) -> "Blame":
        """Return the same with one more statement to blame."""
        return replace(self, statements=(*self.statements, statement))


def to_blame(
    hand: Definition,
    changes: Mapping[int, Tensor],
    parts: Sequence[tuple[Op, Tensor]],
    truth: Tensor,
    noise: Tensor,
) -> Blame:
    """Return what is to blame for a gradient that its own statements make wrong.

    `changes` is what each execution added, by the Bind's index; `parts` are the contributions.
    """
    groups = grouped(hand)
    if any(_replaces(statement) for statement, _ in groups):
        return Blame(responsible(groups, changes, truth, noise))
    values = [part for _, part in parts]
    free, used = set(range(len(parts))), set[int]()
    wrong: list[Statement] = []
    twice: list[Statement] = []
    for statement, binds in groups:
        change = _total([changes[b.index] for b in binds])
        if change is not None and not change.any():
            continue
        if (subset := matching(change, values, free, noise)) is not None:
            free, used = free - subset, used | subset
        else:
            wrong.append(statement)
            if matching(change, values, used, noise) is not None:
                twice.append(statement)
    missing = tuple(parts[i][0] for i in sorted(free) if _matters(values[i], noise))
    if not wrong:
        added = _total([values[i] for i in sorted(used)])
        return Blame((groups[-1][0],), missing=missing, added=added)
    if len(wrong) == 1 and not twice:
        rest = [values[i] for i in free]
        return Blame(tuple(wrong), corrections=_corrections(wrong[0], groups, changes, rest))
    return Blame(tuple(wrong), tuple(twice), missing)


def grouped(hand: Definition) -> list[Group]:
    """Return the gradient's own statements, each with its executions."""
    groups: dict[object, Group] = {}
    for bind in hand.binds:
        if not bind.alias:
            groups.setdefault(bind.statement, (bind.statement, []))[1].append(bind)
    return list(groups.values())


def responsible(
    groups: Sequence[Group], changes: Mapping[int, Tensor], truth: Tensor, noise: Tensor
) -> tuple[Statement]:
    """Return the statement to blame where some scale the gradient or assign to a part of it.

    Then none adds a contribution of its own (`d = softmax(x)`, `d[i, y] -= 1`, `d /= n`), but each
    changes certain elements. An error in only these comes from the statement that changes fewest.
    """
    totals = [_total([changes[b.index] for b in binds]) for _, binds in groups]
    sums = [c for c in totals if c is not None and c.shape == truth.shape]
    if len(sums) < len(totals):
        return (groups[-1][0],)
    after = [torch.stack(sums[: k + 1]).sum(0) for k in range(len(sums))]
    later = range(1, len(sums))
    scaling = [k for k in later if multiple_of(after[k], after[k - 1], noise) is not None]
    wrong = ~near(after[-1], truth, noise)
    masks = [k for k in later if _replaces(groups[k][0]) and not (after[k] * sums[k]).any()]
    if scaling and multiple_of(after[-1], truth, noise) is not None:
        return (groups[scaling[-1]][0],)  # off by one factor everywhere
    if masks and not truth[wrong].any() and not sums[masks[-1]][wrong].any():
        return (groups[masks[-1]][0],)  # elements that should be 0 were not set to 0
    if masks and masks[-1] == len(sums) - 1:
        unmasked = near(after[-2], truth, noise) | near(torch.zeros_like(truth), truth, noise)
        if bool(unmasked.all()):
            return (groups[-1][0],)  # others were
    # `d /= n` changes every element, and one factor would correct whatever it makes wrong
    changed = {k: c != 0 for k, c in enumerate(sums) if k not in scaling}
    covering = [k for k, elements in changed.items() if not (wrong & ~elements).any()]
    least = min(covering, key=lambda k: (int(changed[k].sum()), -k), default=len(sums) - 1)
    return (groups[least][0],)


def matching(
    change: Tensor | None, values: Sequence[Tensor], allowed: set[int], noise: Tensor
) -> set[int] | None:
    """Return the smallest subset of the allowed contributions whose sum is `change`, or None."""
    if change is None:
        return None
    order = sorted(allowed)
    sizes = range(1, len(order) + 1)
    if len(order) > MANY_PARTS:
        sizes = sorted({1, len(order) - 1, len(order)})  # type: ignore[assignment]
    for subset in chain.from_iterable(combinations(order, size) for size in sizes):
        total = _total([values[i] for i in subset])
        if total is None or total.shape != change.shape:
            continue
        if bool(near(change, total, noise).all()):
            return set(subset)
    return None


def _corrections(
    wrong: Statement,
    groups: Sequence[Group],
    changes: Mapping[int, Tensor],
    rest: Sequence[Tensor],
) -> Mapping[int, Tensor]:
    """Return what the gradient should be after the one wrong statement, unless that is the last.

    The statement matches no contribution, so it should have added all that no other adds.
    """
    before: list[Tensor] = []
    for statement, binds in groups[:-1]:
        if statement is wrong:
            right = _total([*before, *rest])
            return {} if right is None else {binds[-1].index: right}
        before += [changes[b.index] for b in binds]
    return {}


def _total(values: Sequence[Tensor]) -> Tensor | None:
    if not values or any(v.shape != values[0].shape for v in values):
        return None
    return torch.stack(list(values)).sum(0) if len(values) > 1 else values[0]


def _replaces(statement: Statement) -> bool:
    return statement.scales or statement.sets


def _matters(part: Tensor, noise: Tensor) -> bool:
    return bool((part.abs() > FORMULA_LIMIT * noise).any())
