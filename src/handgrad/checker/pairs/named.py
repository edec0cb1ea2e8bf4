"""What the names in a file say: which tensors are gradients by hand, and of which nodes."""

from collections.abc import Mapping, Sequence

from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.gradient_names import EACH, KEYED
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Barrier, Bind, Compared, Trace, key_of


def definitions(trace: Trace, names: set[str]) -> list[list[Bind]]:
    """Return the definitions of these names, each as its Binds: a plain `=` starts a new one."""
    current: dict[str, list[Bind]] = {}
    found: list[list[Bind]] = []
    lent: dict[str, Bind] = {}
    gradients: set[int] = set()
    for event in trace.events:
        if type(event) is Barrier:
            current.clear()
        if type(event) is not Bind or event.name not in names:
            continue
        if event.kind == "param" and id(event.value) not in gradients and _sets_element(event):
            event.kind = "assign"  # dhs[T] = hs[T]: only now is it known that hs[T] is no gradient
        gradients.add(id(event.value))
        keyed = event.kind == "param" and KEYED.fullmatch(event.name) is not None
        if event.kind == "param":
            lent[event.name] = event
        if (event.kind == "param" and not keyed) or not event.value.is_floating_point():
            continue
        if event.kind == "update" and _is_lent(event, lent.get(event.name)):
            continue
        fresh = (event.kind in ("assign", "result") and not event.alias) or keyed
        if current.get(event.name) and not event.alias:  # delta = (delta @ W.T) * ...
            fresh = not _is_view(event, current[event.name][-1]) and (
                fresh or event.value.shape != current[event.name][-1].value.shape
            )
        if fresh or event.name not in current:
            current[event.name] = []
            found.append(current[event.name])
        current[event.name].append(event)
    return found


def _sets_element(bind: Bind) -> bool:
    """Tell whether the statement sets one element of a list or dictionary."""
    name = bind.name.partition("[")[0]
    return any(t.keyed and t.name == name and t.kind == "assign" for t in bind.statement.targets)


def _is_view(bind: Bind, before: Bind) -> bool:
    """Tell whether it is all of the tensor before, in another shape: `dx = dx.view(2, 3)`."""
    same = key_of(bind.value) == key_of(before.value)
    whole = bind.value.numel() == before.value.numel() and bind.value.shape != before.value.shape
    return same and whole and bind.statement.function == before.statement.function


def _is_lent(update: Bind, before: Bind | None) -> bool:
    """Tell whether a loop's own name is updated, a second name for each of several tensors.

    In `for dparam in [dW, db]: np.clip(dparam, -5, 5, out=dparam)` it is dW that changes.
    """
    if before is None or before.value is not update.value:
        return False
    return before.statement.text.startswith(("for ", "async for "))


def owner_of(statement: Statement) -> str:
    """Return the class of the method that the statement stands in; empty outside of classes."""
    return statement.function.rpartition(".")[0]


def nodes_named(forward: ForwardPass, name: str | None, before: int, function: str) -> list[Bind]:
    """Return the pass's nodes of that name bound before event `before`, the last one first.

    For a gradient in `function`, names in the same class come before all others (`dx` in
    Linear.backward is that of the `x` in Linear.forward); for one at the top, those at the top.
    """
    same = [b for b in forward.nodes() if _is_named(b, name) and b.index < before]
    owner = function.rpartition(".")[0]
    near = [b for b in same if owner_of(b.statement) == owner]
    if not function:
        near = [b for b in same if not b.statement.function]
    if not function and not near and name is not None:  # z[t], rather than the z of sigmoid(z)
        each = name + EACH
        same += [b for b in forward.nodes() if _is_named(b, each) and b.index < before]
        near = [b for b in same if not b.statement.function]
    nodes: dict[tuple[int, int], Bind] = {}
    for bind in near if near and (owner or not function) else same:
        key = (id(bind.value), forward.writes_before(bind))
        first = nodes.pop(key, bind)
        nodes[key] = first if bind.kind == "param" else bind  # its own name, not an argument's
    return list(nodes.values())[::-1]


def _is_named(bind: Bind, name: str | None) -> bool:
    if name is not None and name.endswith(EACH):
        return bind.name.startswith(name[: -len(EACH)] + "[")
    return bind.name == name


def rebound_node(
    forward: ForwardPass,
    rebinds: Mapping[tuple[str, str], Sequence[Bind]],
    name: str | None,
    hand: Bind,
) -> Bind | None:
    """Return the node that `name` stands for where `hand` is computed, if it is bound again there.

    A backward function takes it as an argument or out of a cache, a loop out of a list. `rebinds`
    are the Binds of all names by function and name.
    """
    binds = rebinds.get((hand.statement.function, name or ""), ())
    late = [b for b in binds if forward.end < b.index < hand.index and not b.alias]
    if not late or late[-1].kind == "update":
        return None
    same = [b for b in forward.nodes() if b.value is late[-1].value]
    return next((b for b in same if b.name == name), same[0] if same else None)


def compared_names(trace: Trace, passes: Sequence[ForwardPass]) -> dict[str, str]:
    """Return what the file's own comparisons pair: `cmp("h", dh, h)` gives dh -> h."""
    nodes = {id(b.value): b.name for p in passes for b in reversed(p.nodes()) if b.kind != "param"}
    names: dict[int, str] = {}
    found: dict[str, str] = {}
    for event in trace.events:
        if type(event) is Bind:
            names[id(event.value)] = event.name
        if type(event) is not Compared:
            continue
        ids = [id(value) for value in event.values]
        for hand, node in (ids, ids[::-1]):
            if node in nodes and hand not in nodes and hand in names:
                found.setdefault(names[hand], nodes[node])
                break
    return found
