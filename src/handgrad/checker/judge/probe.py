"""Lines that are right by luck of these inputs, and contributions that a gradient leaves out.

The true upstream gradient may hide what a line does: where it is 0 (the softmax's maximum, a bias
before batchnorm), twice nothing is still nothing. So the graph is cut at its named nodes, each gets
a random gradient, and every line is compared with what its node's consumers contribute for those. A
backward pass is linear in the upstream gradients: what holds for random ones holds for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from handgrad.checker.closeness import TENSORS, close
from handgrad.checker.judge.cut import Cut
from handgrad.checker.judge.lines import JudgedLines, Line
from handgrad.checker.pairs.backward import BackwardReplay
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.passes.compare import LIMITS
from handgrad.checker.passes.conventions import tied
from handgrad.checker.passes.silent import silent_extremes
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import key_of

EPS = 8.0
"""Both sides are float64, but constants from the user's dtype are a few of its eps off."""


@dataclass(frozen=True, eq=False)
class Probe:
    """What the cut graph shows about one gradient."""

    lucky: tuple[Tensor, Tensor] | None = None
    """What the line gives and what is right for random upstream gradients, where these differ."""
    unread: tuple[str, ...] = ()
    """Nodes computed from this one whose gradients the gradient is not computed from."""
    omitted: tuple[str, ...] = ()
    """The same, where they contribute nothing: their gradient is truly 0."""
    unwritten: bool = False
    """Whether none of those has a gradient by hand yet: the work is unfinished."""
    reads: frozenset[int] | None = None
    """For a line that was not recorded and is right: the gradients that it must have read."""


@dataclass(frozen=True, eq=False)
class Probes:
    """The cut graph of one pass, and what it shows, by the number of the pair."""

    cut: Cut
    by_number: Mapping[int, Probe] = field(default_factory=dict)


def probed(
    forward: Pass, pairs: Sequence[Pair], lines: JudgedLines, values: Mapping[int, Tensor]
) -> Probes:
    """Return what random upstream gradients show. `values` are the gradients that the user had."""
    cut = Cut(forward)
    if cut.failures:
        return Probes(cut, {pair.number: Probe() for pair in pairs})
    silent = silent_extremes(forward)
    cuts = [cut, Cut(forward, silent)] if silent else [cut]
    for number, part in forward.parts_of.items():
        for each in cuts:
            each.consumers[number] = each.within(part.number, part.within)
    nodes = {p.number: id(p.node.value) for p in pairs}
    trials = [_Trial(forward, pairs, lines, each, nodes) for each in cuts]
    lucks = [trial.lucky() for trial in trials]
    # an extreme that contributes nothing may be left out, or not
    luck = {n: found for n, found in lucks[0].items() if all(n in other for other in lucks)}
    which = 0 if len(lucks[0]) < len(lucks[-1]) else -1
    cut, trial = cuts[which], trials[which]
    reads = _unrecorded_reads(pairs, lines, cut, nodes, values)
    probes = {}
    for pair in pairs:
        number = pair.number
        unread, omitted, unwritten = _branches(pair, lines.by_number[number], cut, nodes)
        if omitted and not trial.leaves_out(pair):
            omitted = ()
        probes[number] = Probe(luck.get(number), unread, omitted, unwritten, reads.get(number))
    return Probes(cut, probes)


class _Trial:
    """The backward pass with a random gradient at each node."""

    def __init__(
        self,
        forward: Pass,
        pairs: Sequence[Pair],
        lines: JudgedLines,
        cut: Cut,
        nodes: Mapping[int, int],
    ) -> None:
        self._forward, self._pairs, self._lines = forward, pairs, lines
        self._cut, self._nodes = cut, nodes
        random = random_gradients(forward, pairs)
        self._random = {id(p.node.value): random[p.node.index] for p in pairs}
        self._run = BackwardReplay(forward, pairs, substitute=True, truth=random).run()
        self._limit = max(TENSORS, EPS * forward.eps)

    def lucky(self) -> dict[int, tuple[Tensor, Tensor]]:
        """Return what lines give and what is right for random gradients, where these differ."""
        expected = self._cut.sent_back(self._random)
        shared = _shared_memory(self._pairs)
        lucky: dict[int, tuple[Tensor, Tensor]] = {}
        for pair in self._pairs:
            line, node = self._lines.by_number[pair.number], self._nodes[pair.number]
            read = self._read(line)
            right, outcome = expected.get(node), self._run.outcomes[pair.number]
            if line.wrong or line.fit is not None or self._cut.consumers.get(node, set()) != read:
                continue
            if read & self._forward.parts_of.keys():
                continue  # it adds up parts, which are random each on its own
            if right is None or outcome.shape != right.shape:
                continue
            if line.reads & self._run.irreplaceable:
                continue  # it may read a tensor of the forward pass, which cannot be replaced
            if key_of(pair.final().value) in shared:
                continue  # gradients that share memory cannot all be replaced
            if close(outcome, right, self._limit):
                continue
            if any(self._is_nothing_here(n) for n in line.reads):
                continue  # which node's gradient it reads cannot be told
            if key_of(pair.node.value) in self._tied:
                continue  # each of the largest elements may get the gradient
            lucky[pair.number] = (outcome, right)
        return lucky

    @cached_property
    def _tied(self) -> set[int]:
        return tied(self._forward)

    def _is_nothing_here(self, number: int) -> bool:
        """Tell whether a gradient is 0, and that of another node in other iterations of its loop.

        `df = dc * c_prev * f * (1 - f)` is 0 for any node at the first step, where c_prev is 0.
        """
        pair = next((p for p in self._pairs if p.number == number), None)
        if pair is None or bool(self._forward.truth[pair.node.index].any()):
            return False
        statement = pair.own_final().statement
        others = (p for p in self._pairs if p.own_final().statement == statement)
        return any(p.name == pair.name and p.node.name != pair.node.name for p in others)

    def leaves_out(self, pair: Pair) -> bool:
        """Tell whether a gradient is what the consumers send back that it reads, and no more.

        It may add the contribution of another one that has no gradient with a name.
        """
        upstream = {n: self._random[n] for n in self._read(self._lines.by_number[pair.number])}
        right = self._cut.sent_back(upstream).get(self._nodes[pair.number])
        outcome = self._run.outcomes[pair.number]
        same = right is not None and outcome.shape == right.shape
        return same and right is not None and close(outcome, right, self._limit)

    def _read(self, line: Line) -> set[int]:
        return {self._nodes[n] for n in line.reads if n in self._nodes}


def _shared_memory(pairs: Sequence[Pair]) -> set[int]:
    """Return the memory of three gradients or more: da = dc, db = dc.

    Of two, the first is replaced before the second is computed.
    """
    nodes: dict[int, set[int]] = {}
    for pair in pairs:
        nodes.setdefault(key_of(pair.own_final().value), set()).add(id(pair.node.value))
    return {key for key, several in nodes.items() if len(several) > 2}


def _branches(
    pair: Pair, line: Line, cut: Cut, nodes: Mapping[int, int]
) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Return `unread`, `omitted` and `unwritten` of Probe."""
    forward, node = pair.forward, nodes[pair.number]
    consumers = cut.consumers.get(node, set())
    read = {nodes[n] for n in line.reads if n in nodes}
    unread = consumers - read - {id(t) for t in forward.outputs}  # the loss needs none: it is 1
    # a line that reads past its consumers is fused: no line to come adds what it lacks
    fused = not read <= consumers
    unwritten = bool(unread) and not unread & set(nodes.values()) and not fused
    silent = _silent(forward, cut, node, unread) if read and unread else []
    return (
        tuple(forward.name_of(n) for n in sorted(unread)),
        tuple(forward.name_of(n) for n in silent),
        unwritten,
    )


def _unrecorded_reads(
    pairs: Sequence[Pair],
    lines: JudgedLines,
    cut: Cut,
    nodes: Mapping[int, int],
    values: Mapping[int, Tensor],
) -> dict[int, frozenset[int]]:
    """Return the reads of lines that were not recorded and are right for what they started from.

    Such a line (NumPy) cannot be run again. It is compared with what its consumers contribute for
    the gradients that the user had.
    """
    wrong = [p for p in pairs if lines.by_number[p.number].wrong]
    unrecorded = [p for p in wrong if p.number in lines.run.unrecorded]
    if not unrecorded:
        return {}
    upstream = {}
    for pair in pairs:
        node, value = nodes[pair.number], values[pair.number]
        if node in cut.made and value.shape == cut.made[node].shape:
            upstream[node] = value.double()
    expected = cut.sent_back(upstream)
    reads: dict[int, frozenset[int]] = {}
    for pair in unrecorded:
        node, value = nodes[pair.number], values[pair.number]
        right, consumers = expected.get(node), cut.consumers.get(node, set())
        if right is None or right.shape != value.shape or not consumers <= upstream.keys():
            continue
        limit = LIMITS.get(value.dtype, 16.0) * torch.finfo(value.dtype).eps
        if close(value.double(), right, limit):
            reads[pair.number] = frozenset(n for n, other in nodes.items() if other in consumers)
    return reads


def _silent(forward: Pass, cut: Cut, node: int, unread: set[int]) -> list[int]:
    """Return the unread consumers, if none of them contributes anything: their gradient is 0.

    All or none: where one of them contributes, the gradient was computed another way (fused).
    """
    truth = {
        id(b.value): forward.truth[b.index] for b in forward.nodes() if b.index in forward.truth
    }
    upstream = {n: truth[n] for n in unread if n in truth}
    sent = cut.sent_back(upstream).get(node) if len(upstream) == len(unread) else None
    number = forward.parts_of[node].number if node in forward.parts_of else node
    noise = next(forward.noise[b.index] for b in forward.nodes() if id(b.value) == number)
    return [] if sent is None or bool((sent.abs() > noise).any()) else sorted(unread)


def random_gradients(forward: Pass, pairs: Sequence[Pair]) -> dict[int, Tensor]:
    """Return a random gradient for each node that has one by hand, by the Bind's index."""
    generator = torch.Generator().manual_seed(0)
    by_node: dict[int, Tensor] = {}
    gradients = {}
    for pair in pairs:
        like, node = forward.truth[pair.node.index], id(pair.node.value)
        if node not in by_node:
            draw = torch.randn(like.shape, generator=generator, dtype=like.dtype)
            by_node[node] = draw.to(like.device)
        gradients[pair.node.index] = by_node[node]
    return gradients
