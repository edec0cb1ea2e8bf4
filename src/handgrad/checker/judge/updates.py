"""How the file moves its parameters once their gradients are known."""

from collections.abc import Sequence

from torch import Tensor

from handgrad.checker.pairs.hands import Definition
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Bind, Op, key_of


def moves(forward: Pass, hands: Sequence[Definition]) -> dict[int, float]:
    """Return how far each parameter goes down its true gradient when it is updated, by its memory.

    Negative where it goes up, 0 where the learning rate is 0. Empty if nothing computed from the
    gradients updates a parameter.
    """
    parameters = dict[int, Bind]()
    for node in forward.nodes():
        if key_of(node.value) in forward.leaves and node.index in forward.truth:
            parameters.setdefault(key_of(node.value), node)
    names = {node.name: node for node in parameters.values()}
    memory = {key_of(b.value) for hand in hands for b in hand.binds} - parameters.keys()
    found = dict[int, float]()
    for event in forward.trace.events[forward.end + 1 :]:
        if type(event) is Op and any(key_of(t) in memory for t in event.inputs):
            written = {key_of(t) for t in event.writes} & parameters.keys()
            memory |= {key_of(t) for t in event.outputs} - parameters.keys()
            for key in written - found.keys():
                node = parameters[key]
                found[key] = _down(forward, node, node.value, event.index + 1)
        elif type(event) is Bind and key_of(event.value) in memory and event.name in names:
            node = names[event.name]
            if event.value.shape == node.value.shape:
                found.setdefault(key_of(node.value), _down(forward, node, event.value, event.index))
    return found


def _down(forward: Pass, node: Bind, value: Tensor, index: int) -> float:
    before = forward.trace.at(node.value, node.index).double()
    after = forward.trace.at(value, index).detach().double()
    return float(((before - after) * forward.truth[node.index].to(before)).sum())
