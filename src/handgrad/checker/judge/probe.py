"""Lines that are right only by luck of these inputs, and branches that are left out.

The true gradient upstream of a line may hide what the line does: where it is 0 (the softmax's
maximum, a bias before batchnorm) twice nothing is still nothing. So the graph is cut at its named
nodes, each gets a random gradient, and every line is held to what its node's own consumers send
back for those. A backward pass is linear in the gradients upstream: what holds for random ones
holds for all.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from handgrad.checker.judge.grade import Grade, Grader
from handgrad.checker.judge.statements import Blamed
from handgrad.checker.pairs.hands import Hand
from handgrad.checker.pairs.sweep import Sweep
from handgrad.checker.passes.compare import LIMITS
from handgrad.checker.passes.find import Pass
from handgrad.checker.passes.replay import Replay
from handgrad.checker.record.trace import Bind, Op, key_of

TOLERANCE = 1e-5
"""Both sides are float64, but constants that went through float32 (`.item()`) are 1e-7 off; those
that went through the user's own dtype are off by a few of its eps."""
EPS = 8.0


class Cut(Replay):
    """A forward pass cut at its named nodes: what each is computed from, not what comes before."""

    def __init__(self, forward: Pass) -> None:
        always = forward.backward is None
        super().__init__(
            forward.trace, forward.leaves, grad=True, always_grad=always, start=forward.start
        )
        self.made: dict[int, Tensor] = {}
        """What was computed for each node, by the id of the user's tensor."""
        self.given: dict[int, Tensor] = {}
        """What stands for it afterwards: a leaf of its own."""
        self.consumers: dict[int, set[int]] = {}
        """The nodes computed directly from each, both by id; the loss is one."""
        self._sources: dict[int, set[int]] = {}
        self.run(forward.events)

    def bind(self, bind: Bind) -> None:
        """Cut here: what follows sees a leaf in place of what was computed."""
        number, key = id(bind.value), key_of(bind.value)
        if bind.kind == "param" or not self.is_live(bind.value) or number in self.given:
            return
        value = self.get(bind.value, bind.index)
        if not value.is_floating_point() or not value.requires_grad:
            return
        for source in self._sources.get(key, ()):
            self.consumers.setdefault(source, set()).add(number)
        if not value.is_leaf:
            self.made[number] = value
            self.env[number] = value.detach().requires_grad_()
        self.given[number] = self.env[number]
        self._sources[key] = {number}

    def execute(self, op: Op) -> None:
        """Run one operation, and note which nodes its results come from."""
        super().execute(op)
        sources = {s for t in op.inputs for s in self._sources.get(key_of(t), ())}
        for value in op.outputs:
            self._sources.setdefault(key_of(value), set()).update(sources)

    def sent_back(self, upstream: dict[int, Tensor]) -> dict[int, Tensor]:
        """Return each node's gradient for the given gradients of the nodes, all by id."""
        outputs = [number for number in upstream if number in self.made]
        inputs = list(self.given)
        found = torch.autograd.grad(
            [self.made[n] for n in outputs],
            [self.given[n] for n in inputs],
            [upstream[n] for n in outputs],
            retain_graph=True,
            allow_unused=True,
        )
        return {n: g for n, g in zip(inputs, found, strict=True) if g is not None}


def probe(grader: Grader, grades: Sequence[Grade]) -> Cut:
    """Mark lines that are right by luck (`lucky`), and branches left out (`unread`, `omitted`).

    A gradient that recorded operations did not compute (NumPy) is held to what its consumers send
    back for the gradients that the user had, since its line cannot be run again.
    """
    forward, hands = grader.forward, grader.hands
    cut = Cut(forward)
    if cut.failures:
        return cut
    nodes = {h.number: id(h.node.value) for h in hands if h.node is not None}
    random = random_gradients(forward, hands)
    expected = cut.sent_back({id(h.node.value): random[h.node.index] for h in hands if h.node})
    swept = Sweep(forward, hands, substitute=True, truth=random).run()
    shared = _shared(hands)
    for grade in grades:
        _branches(grade, forward, cut, nodes)
        number = nodes[grade.hand.number]
        read = {nodes[n] for n in grade.reads if n in nodes}
        right, outcome = expected.get(number), swept.outcomes[grade.hand.number]
        if grade.root or grade.fit is not None or cut.consumers.get(number, set()) != read:
            continue
        if right is None or outcome.shape != right.shape or grade.reads & swept.kept:
            continue  # what it reads may be a tensor of the forward pass too: not to be replaced
        if key_of(grade.hand.final().value) in shared:
            continue  # two gradients in one memory cannot both be replaced
        if not _close(outcome, right, max(TOLERANCE, EPS * forward.eps)):
            grade.lucky = (outcome, right)
    _unseen(grader, grades, cut, nodes)
    return cut


def _shared(hands: Sequence[Hand]) -> set[int]:
    """Return the memory of three gradients or more: da = dc, db = dc.

    Of two, the one is replaced before the other is made.
    """
    nodes: dict[int, set[int]] = {}
    for hand in hands:
        if hand.node is not None:
            nodes.setdefault(key_of(hand.own_final().value), set()).add(id(hand.node.value))
    return {key for key, several in nodes.items() if len(several) > 2}


def _branches(grade: Grade, forward: Pass, cut: Cut, nodes: dict[int, int]) -> None:
    """Name the consumers of the node whose gradients the gradient was not computed from."""
    number = nodes[grade.hand.number]
    read = {nodes[n] for n in grade.reads if n in nodes}
    unread = cut.consumers.get(number, set()) - read
    grade.unread = [forward.name_of(n) for n in sorted(unread)]
    # a line that reads past its consumers is fused: what it lacks will be in no line to come
    fused = not read <= cut.consumers.get(number, set())
    grade.unwritten = bool(unread) and not unread & set(nodes.values()) and not fused
    if read and unread:
        grade.omitted = [forward.name_of(n) for n in _silent(forward, cut, number, unread)]


def _unseen(grader: Grader, grades: Sequence[Grade], cut: Cut, nodes: dict[int, int]) -> None:
    """Clear the lines that were not recorded and are right for the gradients they started from."""
    unseen = [g for g in grades if g.root and g.hand.number in grader.swept.unseen]
    if not unseen:
        return
    had = {nodes[g.hand.number]: g.value.double() for g in grades
           if nodes[g.hand.number] in cut.made
           and g.value.shape == cut.made[nodes[g.hand.number]].shape}  # fmt: skip
    expected = cut.sent_back(had)
    for grade in unseen:
        number = nodes[grade.hand.number]
        right, consumers = expected.get(number), cut.consumers.get(number, set())
        within = LIMITS.get(grade.value.dtype, 16.0) * torch.finfo(grade.value.dtype).eps
        if right is None or right.shape != grade.value.shape or not consumers <= had.keys():
            continue
        if _close(grade.value.double(), right, within):
            grade.root, grade.blamed = False, Blamed()
            grade.reads = {n for n, node in nodes.items() if node in consumers}


def _silent(forward: Pass, cut: Cut, number: int, unread: set[int]) -> list[int]:
    """Return those of the unread consumers that send the node nothing: a branch of gradient 0.

    All or none: where one of them sends something, the gradient was computed another way (fused).
    """
    truth = {
        id(b.value): forward.truth[b.index] for b in forward.nodes() if b.index in forward.truth
    }
    upstream = {n: truth[n] for n in unread if n in truth}
    sent = cut.sent_back(upstream).get(number) if len(upstream) == len(unread) else None
    noise = next(forward.noise[b.index] for b in forward.nodes() if id(b.value) == number)
    return [] if sent is None or bool((sent.abs() > noise).any()) else sorted(unread)


def random_gradients(forward: Pass, hands: Sequence[Hand]) -> dict[int, Tensor]:
    """Return a random gradient for each node that has one by hand, by the Bind's index."""
    generator = torch.Generator().manual_seed(0)
    by_node: dict[int, Tensor] = {}
    found = {}
    for hand in hands:
        if hand.node is not None:
            like, node = forward.truth[hand.node.index], id(hand.node.value)
            if node not in by_node:
                draw = torch.randn(like.shape, generator=generator, dtype=like.dtype)
                by_node[node] = draw.to(like.device)
            found[hand.node.index] = by_node[node]
    return found


def _close(a: Tensor, b: Tensor, within: float) -> bool:
    scale = a.abs() + b.abs()
    return bool(((a - b).abs() <= within * (scale + scale.mean())).all())
