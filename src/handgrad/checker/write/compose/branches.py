"""What each named consumer of a tensor sends back to it, one expression each, in user names."""

from collections.abc import Mapping
from dataclasses import dataclass

from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.scope import Scope
from handgrad.checker.record.trace import Bind, Op
from handgrad.checker.write.compose.broadcasting import stretched
from handgrad.checker.write.compose.compose import Composer
from handgrad.checker.write.compose.expression import Expr, filled, parsed, printed
from handgrad.checker.write.compose.graph import Graph, Value, zeros_as
from handgrad.checker.write.compose.references import References, Unreachable
from handgrad.checker.write.compose.shares import Cut, Part
from handgrad.checker.write.rules.rule import NoRule


@dataclass(frozen=True)
class Branch:
    """The way of a node's gradient through one named tensor that is computed from it.

    `consumer` is None for a loss without a name. `expression` gives the whole of what comes back,
    in the node's shape; None where an operation on the way has no rule (`why` says which).
    `ops` are those that read the node.
    """

    consumer: Bind | None
    expression: str | None
    ops: tuple[Op, ...]
    why: str | None = None


def branches(
    forward: Pass, node: Bind, names: Mapping[int, str], scope: Scope | None = None
) -> list[Branch]:
    """Return the branches of a node's gradient, in the order of the forward pass.

    `names` gives what the user calls a tensor's gradient, by the tensor's id: d and its name where
    it is not there. `scope` is where the expressions will stand; that of the loss where None.
    """
    graph = Graph(forward)
    value = graph.of(node)
    if value is None:
        return []
    refs = References(graph, scope.names if scope is not None else loss_names(graph))
    composer = Composer(graph, refs)
    found = []
    for consumer in _consumers(graph, value):
        ops = tuple(op for op in graph.users.get(id(value), ()) if _leads(graph, op, consumer))
        bind = consumer.bind
        try:
            text = refs.text(_through(graph, composer, value, consumer, names).node)
            found.append(Branch(bind, text, ops))
        except (NoRule, Unreachable) as missing:
            found.append(Branch(bind, None, ops, str(missing)))
    return found


def loss_names(graph: Graph) -> dict[str, object]:
    """Return what every name stood for when the loss had been computed."""
    loss = graph.output()
    scopes = [b.scope for b in loss.binds if b.scope is not None and b.scope.names]
    if not scopes:
        binds = [e for e in graph.forward.events if type(e) is Bind and e.scope is not None]
        scopes = [b.scope for b in binds[-1:] if b.scope is not None]
    return dict(scopes[0].names) if scopes else {}


def _is_end(graph: Graph, value: Value) -> bool:
    return value.bind is not None or value is graph.output()


def _consumers(graph: Graph, value: Value) -> list[Value]:
    """Return the named values next downstream, and the loss, that take part in the gradient."""
    found: dict[int, Value] = {}
    todo, seen = [value], {id(value)}
    while todo:
        for op in graph.users.get(id(todo.pop()), ()):
            for made in graph.made[op.index]:
                if not made.live or id(made) in seen:
                    continue
                seen.add(id(made))
                if _is_end(graph, made):
                    found[id(made)] = made
                else:
                    todo.append(made)
    return sorted(found.values(), key=lambda v: v.at)


def _leads(graph: Graph, op: Op, consumer: Value) -> bool:
    """Tell whether an operation goes on to a consumer without passing another name."""
    todo, seen = list(graph.made[op.index]), set[int]()
    while todo:
        value = todo.pop()
        if value is consumer:
            return True
        if id(value) in seen or _is_end(graph, value):
            continue
        seen.add(id(value))
        todo += [v for user in graph.users.get(id(value), ()) for v in graph.made[user.index]]
    return False


def _through(
    graph: Graph, composer: Composer, value: Value, consumer: Value, names: Mapping[int, str]
) -> Expr:
    """Return what comes back to `value` from the consumer's gradient."""
    gradients = {id(consumer): [_seed(graph, consumer, names)]}
    shares: list[Expr] = []
    for op in reversed(graph.ops):
        made = graph.made[op.index]
        if not any(id(v) in gradients for v in made):
            continue
        if not any(v is value or not _is_end(graph, v) for v in graph.reads[op.index].values()):
            continue
        d = [_total(gradients[id(v)]) if id(v) in gradients else None for v in made]
        for share in composer.undo(op, d):
            given = share.given
            if isinstance(given, Cut):
                raise NoRule("a write by index")
            if isinstance(given, Part):
                if given.whole is None:
                    raise NoRule("an index of slices and tensors, as one expression")
                given = given.whole
            if share.value is value:
                shares.append(given)
            elif not _is_end(graph, share.value):
                gradients.setdefault(id(share.value), []).append(given)
    if not shares:
        raise NoRule("no operation that sends anything back")
    return _whole(composer, _total(shares[::-1]), value)


def _whole(composer: Composer, expr: Expr, value: Value) -> Expr:
    if expr.shape == tuple(value.tensor.shape) and not expr.is_number:
        return expr
    named = composer.refs.named(value)
    return stretched(expr, printed(named) if named is not None else None, value.tensor)


def _seed(graph: Graph, consumer: Value, names: Mapping[int, str]) -> Expr:
    """The gradient of a consumer by name; that of the loss itself is 1 unless it has a name."""
    own = names.get(id(consumer.tensor))
    forward = graph.forward
    if own is None and consumer is graph.output() and forward.seeds[0] is None:
        return Expr(parsed("1"), 1)
    bind = consumer.bind
    if own is None and bind is None:
        raise NoRule("a loss without a name")
    text = own if own is not None else f"d{bind.name if bind else ''}"
    return Expr(parsed(text), zeros_as(consumer.tensor))


def _total(shares: list[Expr]) -> Expr:
    if len(shares) == 1:
        return shares[0]
    total = shares[0]
    for share in shares[1:]:
        value = total.value + share.value
        total = Expr(filled(parsed("a + b"), {"a": total.node, "b": share.node}), value)
    return total
