"""The forward pass as a graph of names, for a report to draw."""

from collections.abc import Mapping, Sequence

from handgrad.checker.judge.grade import Grade
from handgrad.checker.passes.forward import ForwardPass


def edges_of(
    forward: ForwardPass, grades: Sequence[Grade], consumers: Mapping[int, set[int]]
) -> list[tuple[str, str]]:
    """Return each named tensor with each that is computed directly from it, in program order.

    `consumers` has them by the ids of the tensors. A tensor with several names gets the one that
    its gradient is shown under. A name that a loop binds again counts once, and no edge leads from
    a name to itself.
    """
    names = {id(b.value): b.name for b in reversed(forward.nodes()) if b.kind != "param"}
    names |= {id(g.hand.node.value): g.hand.node.name for g in grades}
    order = list(reversed(names))
    pairs = [
        (names[source], names[result])
        for source in order
        for result in order
        if result in consumers.get(source, ())
    ]
    return [(source, result) for source, result in dict.fromkeys(pairs) if source != result]
