"""The verdict on one gradient by hand, for the node that it is taken to belong to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from handgrad.checker.pairs.backward import BackwardReplay
from handgrad.checker.pairs.hands import Definition, Pair
from handgrad.checker.passes.compare import formula_is_right, judge
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Bind
from handgrad.checker.records import VerdictName

SIGNIFICANT = 1e3
"""A node's gradient must exceed its noise by this factor before its value identifies it."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """`value` is the gradient as the user's run left it; `ratio` is R of `passes/compare.py`."""

    verdict: VerdictName
    ratio: float | None
    value: Tensor

    @property
    def right(self) -> bool:
        return self.verdict in ("exact", "rounding")


def verdict_on(
    forward: Pass, hand: Definition, node: Bind, formulas: Mapping[int, Tensor]
) -> Verdict:
    """Return the verdict on the final value of `hand` as the gradient of `node`.

    `formulas` are the values of the gradients by hand replayed in float64, by the Bind's index.
    """
    final = hand.final()
    value = forward.trace.at(final.value, final.index).detach()
    verdict, ratio = judge(
        value,
        forward.autograd.get(node.index),
        forward.truth[node.index],
        forward.noise[node.index],
        formulas.get(final.index),
    )
    return Verdict(verdict, ratio, value)


def is_significant(forward: Pass, node: Bind) -> bool:
    """Tell whether the node's gradient is large enough for a value to identify it."""
    truth, noise = forward.truth[node.index], forward.noise[node.index]
    return truth.numel() > 1 and float(truth.abs().max()) > SIGNIFICANT * float(noise.max())


def right_lines(forward: Pass, pairs: Iterable[Pair], of: Iterable[Pair] | None = None) -> set[int]:
    """Return the pairs, by number, whose own lines are right with true gradients in their place.

    `of` are those that are asked about, all of them where None.
    """
    pairs = sorted(pairs, key=lambda pair: pair.binds[0].index)
    run = BackwardReplay(forward, pairs, substitute=True).run()
    return {p.number for p in (pairs if of is None else of) if is_right(forward, run.outcomes, p)}


def is_right(forward: Pass, outcomes: Mapping[int, Tensor], pair: Pair) -> bool:
    """Tell whether what a pair's own line gave in a replay, by its number, is its gradient."""
    outcome, truth = outcomes.get(pair.number), forward.truth[pair.node.index]
    if outcome is None or outcome.shape != truth.shape:
        return False
    noise, dtype = forward.noise[pair.node.index], pair.final().value.dtype
    return formula_is_right(outcome, truth, noise, dtype)
