"""Names that read as those of gradients and are none: scratch variables."""

from collections.abc import Iterable, Iterator, Mapping

import torch

from handgrad.checker.pairs.backward import BackwardReplay, BackwardRun
from handgrad.checker.pairs.hands import Definition, Pair
from handgrad.checker.pairs.verdict import verdict_on
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.gradient_names import LIKELY
from handgrad.checker.record.trace import Bind, Op, key_of


def without_scratch(forward: Pass, pairs: Iterable[Pair], natural: BackwardRun) -> list[Pair]:
    """Leave out names that read like a gradient's, of what is computed from that gradient.

    `g = 3 * b**2` is the gradient of b; then `db = g.sum(1)` is something else. So is what has
    neither the size of a gradient of b nor anything to do with the pass.
    """
    pairs = list(pairs)
    read = {n for reads in natural.reads.values() for n in reads}
    owner = {id(b.value): id(p.node.value) for p in pairs for b in p.binds}
    return [
        p
        for p in pairs
        if not _is_laid_out_anew(forward, p)
        if p.number in read
        or not (_is_foreign(forward, p, natural) or _reads_own_gradient(forward, p, natural, owner))
    ]


def _is_laid_out_anew(forward: Pass, pair: Pair) -> bool:
    """Tell whether it is an earlier gradient with the elements in another shape.

    After `dq = dq.transpose(1, 2).reshape(b, t, -1)` the name stands for the gradient of another
    tensor than q, which may have no name.
    """
    final = pair.final()
    if pair.claim != "name" or final.value.shape == pair.node.value.shape:
        return False
    ops = list(_ran_for(forward, final))
    made = {id(t) for op in ops for t in op.outputs}
    read = {id(t): t for op in ops for t in op.inputs if id(t) not in made}
    if len(read) != 1:
        return False
    (source,) = read.values()
    later = (b for b in forward.trace.of(Bind) if b.value is source and b.index > forward.end)
    named = (b for b in later if b.name == pair.name or LIKELY.fullmatch(b.name))
    if source.numel() != final.value.numel() or not any(named):
        return False
    before, after = (t.detach().flatten().sort()[0] for t in (source, final.value))
    return torch.equal(before, after)


def _ran_for(forward: Pass, bind: Bind) -> Iterator[Op]:
    """Yield the operations of the statement that set the name."""
    for event in reversed(forward.trace.events[: bind.index]):
        if type(event) is Op:
            if event.ran_in is None or event.ran_in[0] != bind.statement:
                return
            yield event


def _is_foreign(forward: Pass, pair: Pair, natural: BackwardRun) -> bool:
    """Tell whether it is of another size, and computed from tensors that the pass never saw."""
    same = pair.final().value.numel() == forward.truth[pair.node.index].numel()
    if same or pair.claim == "pair" or natural.reads.get(pair.number):
        return False
    alone = BackwardReplay(forward, [pair], substitute=False)
    read = {key_of(t) for e in alone.events() if type(e) is Op for t in e.inputs}
    known = forward.memory | {key_of(seed) for seed in forward.seeds if seed is not None}
    return bool(read) and not read & known


def _reads_own_gradient(
    forward: Pass, pair: Pair, natural: BackwardRun, owner: Mapping[int, int]
) -> bool:
    """Tell whether it is computed from what is, by its value, the gradient of the same node.

    `owner` are the nodes of the gradients by hand, by the ids of both tensors.
    """
    if pair.claim == "pair" or verdict_on(forward, pair, pair.node, natural.values).right:
        return False
    alone = BackwardReplay(forward, [pair], substitute=False)
    read = {id(t): t for e in alone.events() if type(e) is not Bind for t in e.inputs}  # type: ignore[union-attr]
    own = {id(b.value) for b in pair.binds}
    for bind in forward.trace.events[forward.end + 1 : pair.final().index]:
        if type(bind) is not Bind or bind.kind == "param":
            continue
        if id(bind.value) not in read or id(bind.value) in own:
            continue
        if owner.get(id(bind.value), id(pair.node.value)) != id(pair.node.value):
            continue  # the gradient of another node that happens to be the same
        other = Definition(-1, bind.name, [bind])
        same = bind.value.shape == forward.truth[pair.node.index].shape
        if same and verdict_on(forward, other, pair.node, {}).right:
            return True
    return False
