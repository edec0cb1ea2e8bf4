"""What each named consumer of a tensor contributes to its gradient, as expressions."""

from collections.abc import Mapping
from dataclasses import dataclass

from handgrad.checker.passes.silent import silent_extremes
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.scope import Scope
from handgrad.checker.record.trace import Bind, Op
from handgrad.checker.write.compose.broadcasting import expanded
from handgrad.checker.write.compose.compose import Composer
from handgrad.checker.write.compose.contributions import GradientAtIndex, GradientExceptIndex
from handgrad.checker.write.compose.expression import Expr, parsed, printed, total
from handgrad.checker.write.compose.graph import Graph, Value, zeros_as
from handgrad.checker.write.compose.local import spelled_in
from handgrad.checker.write.compose.references import References, Unreachable
from handgrad.checker.write.rules.rule import NoRule


@dataclass(frozen=True)
class Branch:
    """What reaches a node's gradient through one named tensor that is computed from the node.

    `consumer` names that tensor; it is None for a loss without a name. `expression` is the whole
    contribution, in the node's shape, or None where an operation has no rule; `why` then says
    which. `ops` are the operations of this branch that read the node.
    """

    consumer: Bind | None
    expression: str | None
    ops: tuple[Op, ...]
    why: str | None = None


def branches(
    forward: Pass,
    node: Bind,
    names: Mapping[int, str],
    scope: Scope | Mapping[str, object] | None = None,
) -> list[Branch]:
    """Return the branches of a node's gradient, in the order of the forward pass.

    `names` holds the user's names of gradients by the id of their tensor; the default is d and the
    tensor's name. The expressions are valid in `scope`, or in the scope of the loss if it is None.
    """
    graph = Graph(forward)
    value = graph.of(node)
    if value is None:
        return []
    if isinstance(scope, Scope):
        refs = References(graph, scope.visible(), spelled_in(scope))
    else:
        refs = References(graph, dict(scope) if scope is not None else loss_names(graph))
    composer = Composer(graph, refs)
    silent = silent_extremes(forward)
    result = []
    for consumer in _consumers(graph, value):
        ops = tuple(op for op in graph.users.get(id(value), ()) if _leads(graph, op, consumer))
        try:
            text = refs.text(_through(graph, composer, value, consumer, names, silent).node)
            result.append(Branch(consumer.bind, text, ops))
        except (NoRule, Unreachable) as reason:
            result.append(Branch(consumer.bind, None, ops, str(reason)))
    return result


def loss_names(graph: Graph) -> dict[str, object]:
    """Return the value of every name at the time when the loss had been computed."""
    scopes = [b.scope for b in graph.output().binds if b.scope is not None and b.scope.names]
    if not scopes:
        binds = (e for e in graph.forward.events if type(e) is Bind)
        scopes = [b.scope for b in binds if b.scope is not None][-1:]
    return dict(scopes[0].names) if scopes else {}


def numpy_name(names: Mapping[str, object]) -> str:
    """Return the user's name of NumPy."""
    return next((n for n, v in names.items() if getattr(v, "__name__", "") == "numpy"), "np")


def _is_end(graph: Graph, value: Value) -> bool:
    return value.bind is not None or value is graph.output()


def _consumers(graph: Graph, value: Value) -> list[Value]:
    """Return the nearest named values downstream, and the loss, that carry a gradient."""
    consumers: list[Value] = []
    todo, visited = [value], {id(value)}
    while todo:
        for op in graph.users.get(id(todo.pop()), ()):
            for result in graph.results[op.index]:
                if not result.live or id(result) in visited:
                    continue
                visited.add(id(result))
                (consumers if _is_end(graph, result) else todo).append(result)
    return sorted(consumers, key=lambda v: v.at)


def _leads(graph: Graph, op: Op, consumer: Value) -> bool:
    """Tell whether an operation leads to a consumer without passing another named value."""
    todo, visited = list(graph.results[op.index]), set[int]()
    while todo:
        value = todo.pop()
        if value is consumer:
            return True
        if id(value) in visited or _is_end(graph, value):
            continue
        visited.add(id(value))
        todo += [v for user in graph.users.get(id(value), ()) for v in graph.results[user.index]]
    return False


def _through(
    graph: Graph,
    composer: Composer,
    value: Value,
    consumer: Value,
    names: Mapping[int, str],
    silent: frozenset[int],
) -> Expr:
    """Return what the consumer's gradient contributes to that of `value`.

    `silent` are operations that contribute nothing.
    """
    pending = {id(consumer): [_seed(graph, consumer, names)]}
    contributions: list[Expr] = []
    for op in reversed(graph.ops):
        results = graph.results[op.index]
        if op.index in silent or not any(id(v) in pending for v in results):
            continue
        if not any(v is value or not _is_end(graph, v) for v in graph.reads[op.index].values()):
            continue
        d = [total(pending[id(v)]) if id(v) in pending else None for v in results]
        for contribution in composer.undo(op, d):
            part = contribution.gradient
            if isinstance(part, GradientExceptIndex):
                raise NoRule("a write by index")
            if isinstance(part, GradientAtIndex):
                if part.whole is None:
                    raise NoRule("an index of slices and tensors, as one expression")
                part = part.whole
            if contribution.value is value:
                contributions.append(part)
            elif not _is_end(graph, contribution.value):
                pending.setdefault(id(contribution.value), []).append(part)
    if not contributions:
        raise NoRule("no operation that contributes to this gradient")
    gradient = total(contributions[::-1])
    if gradient.fills(value.tensor):
        return gradient
    name = composer.refs.named(value)
    return expanded(gradient, printed(name) if name is not None else None, value.tensor)


def _seed(graph: Graph, consumer: Value, names: Mapping[int, str]) -> Expr:
    """Return the name of a consumer's gradient; the gradient of a loss without one is 1."""
    name = names.get(id(consumer.tensor))
    if name is None and consumer is graph.output() and graph.forward.seeds[0] is None:
        return Expr(parsed("1"), 1)
    if name is None and consumer.bind is None:
        raise NoRule("a loss without a name")
    text = name or f"d{consumer.bind.name if consumer.bind else ''}"
    return Expr(parsed(text), zeros_as(consumer.tensor))
