"""What a function calls the tensors of its caller: `dout` for da, `self.y` for a."""

from handgrad.checker.pairs.hands import Definition
from handgrad.checker.record.carriers import tensor_of
from handgrad.checker.record.scope import Scope
from handgrad.checker.record.trace import Bind
from handgrad.checker.write.compose.local import spelled_in


def name_in(hand: Definition, scope: Scope | None) -> str:
    """Return what a gradient is called where `scope` is, its own name where it has no other."""
    if scope is None or not scope.local:
        return hand.name
    value = hand.own_final().value
    if hand.name in scope.local and tensor_of(scope.names.get(hand.name)) is value:
        return hand.name  # it may have another there: `dz = da`
    return spelled_in(scope).get(id(value), hand.name)


def nodes_in(nodes: dict[str, Bind], scope: Scope | None) -> dict[str, Bind]:
    """Return the nodes by what they are called where `scope` is."""
    if scope is None or not scope.local:
        return nodes
    names = spelled_in(scope)
    other = {n for n in scope.local if n in scope.names}
    nodes = {n: b for n, b in nodes.items() if n not in other or scope.names[n] is b.value}
    local = {names[id(b.value)]: b for b in nodes.values() if id(b.value) in names}
    return {n: b for n, b in nodes.items() if id(b.value) not in names} | local
