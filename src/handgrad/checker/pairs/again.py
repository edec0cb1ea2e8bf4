"""Gradients that a file writes more than once: which of them is graded."""

from handgrad.checker.pairs.hands import Pair
from handgrad.checker.pairs.pairing import Pairing


def chosen(pairing: Pairing) -> tuple[list[Pair], list[Pair]]:
    """Return the definition of each gradient to grade, and the later ones that nothing reads.

    A gradient written again (the fused form after the chunked one) is graded where others are
    computed from it; where none are, the last definition counts. `db = x * dy` and then
    `db = db.sum(0)` is one gradient: its own next statement is no other.
    """
    nodes = {p.number: (p.name, id(p.node.value)) for p in pairing.pairs}
    read = {
        n
        for reader, reads in pairing.natural.reads.items()
        for n in reads
        if nodes.get(reader, reader) != nodes.get(n)
    }
    groups: dict[tuple[str, str, int], list[Pair]] = {}
    for pair in pairing.pairs:
        key = (pair.binds[0].statement.function, pair.name, id(pair.node.value))
        groups.setdefault(key, []).append(pair)
    first: list[Pair] = []
    again: list[Pair] = []
    for group in groups.values():
        used = [pair for pair in group if pair.number in read]
        main = used[-1] if used else group[-1]
        first.append(main)
        again += [pair for pair in group if pair.number > main.number]
    repeated = {(p.name, p.own_final().statement.place) for p in first}
    again = [p for p in again if (p.name, p.own_final().statement.place) not in repeated]
    return sorted(first, key=lambda p: p.number), again
