"""Gradients by hand, and which tensor's gradient each of them is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from handgrad.checker.passes.find import Pass
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Barrier, Bind, Compared, Trace

PATTERNS = (
    re.compile(r"d(?P<node>.+)"),
    re.compile(r"d_(?P<node>.+)"),
    re.compile(r"d(?P<node>.+)_"),
    re.compile(r"grad_(?P<node>.+)"),
    re.compile(r"(?P<node>.+)_grad"),
    re.compile(r"g_(?P<node>.+)"),
    re.compile(r"(?P<node>.+)_bar"),
    re.compile(r"\w+\['d?(?P<node>.+)'\]"),
    re.compile(r"d(?:[LlJE]|[Ll]oss|[Cc]ost)_?d(?P<node>.+)"),
)
"""How the field names the gradient of a node; the first that leaves an existing name is taken."""
GRADIENTS = re.compile(r"d|g")
"""How a dictionary of gradients is called: grads, g, dparams."""
KEYED = re.compile(r"[dg]\w*\['.+'\]")
"""A gradient put into a dictionary under a key, where it may have a name of its own already."""
EACH = "[*]"
"""Follows the name of a list whose elements are meant."""
LIKELY = re.compile(r"d_?\w+|grad_\w+|\w+_grad|g_\w+")
"""A name that may be a gradient's though no tensor has the rest of it: `dh` where h is called a."""


@dataclass
class Hand:
    """One definition of a gradient: from its `=` through every statement that changed it."""

    number: int
    name: str
    binds: list[Bind]
    forward: Pass
    node: Bind | None
    claim: str
    """Where the pair comes from: "pair", "name", "compared", or "value"."""
    versions: list[Bind] = field(default_factory=list)
    """The tensors that the node's name stood for in turn (a loop over time), the last one first."""
    told: Bind | None = None
    """The one that its name stands for where the gradient is made (`x, W = cache`)."""
    clipped: Statement | None = None
    """What changed it on purpose once it was finished: a clipping, or the step itself."""

    @property
    def borrowed(self) -> bool:
        """Whether it is another gradient under a key, `grads["W1"] = dW1`."""
        return self.binds[0].kind == "param"

    def own_final(self) -> Bind:
        """Return the last statement that changed it under its own name: finished from there on."""
        return next((b for b in reversed(self.binds) if not b.alias), self.binds[-1])

    def is_local(self) -> bool:
        """Whether its node is a function's parameter: known by another name outside."""
        return self.node is not None and self.node.kind == "param"

    def final(self) -> Bind:
        """Return the last statement that changed it, through whatever name."""
        return self.binds[-1]


def hand_names(assigned: Iterable[str], pairs: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the names that read as gradients, each with its node: `dlogits` of `logits`."""
    names = set(assigned)
    # grads['W1'] is the gradient of W1, or of params['W1']
    keyed = [m for name in sorted(names) if (m := re.fullmatch(r"(\w+)\['(.+)'\]", name))]
    keys = {m[2]: m[0] for m in keyed if not GRADIENTS.match(m[1])}
    # dh in a loop over time is that of hs[t], in turn
    lists = {m[1]: m[1] for name in sorted(names) if (m := re.fullmatch(r"(\w+)\[-?\d+\]", name))}
    lists |= {name.removesuffix("s"): name for name in lists}
    keys |= {short: f"{name}{EACH}" for short, name in lists.items() if short not in keys}
    found = {}
    for name in names:
        for match in filter(None, (pattern.fullmatch(name) for pattern in PATTERNS)):
            node = match["node"] if match["node"] in names else keys.get(match["node"], name)
            if node != name:
                found[name] = node
                break
    return found | {hand: node for hand, node in (pairs or {}).items() if hand in names}


def find_hands(trace: Trace, passes: Sequence[Pass], pairs: Mapping[str, str]) -> list[Hand]:
    """Return what may be gradients by hand, with pass and node, in the order of the statements.

    A likely name without a node comes back with `node` None: its value may tell whose it is.
    """
    names = {b.name for b in trace.of(Bind) if b.kind != "param" or KEYED.fullmatch(b.name)}
    known = hand_names({b.name for b in trace.of(Bind)}, pairs)
    named = {hand: node for hand, node in known.items() if hand in names}
    compared = compared_names(trace, passes)
    likely = {name for name in names if LIKELY.fullmatch(name)}
    rebinds: dict[tuple[str, str], list[Bind]] = {}
    for bind in trace.of(Bind):
        rebinds.setdefault((bind.statement.function, bind.name), []).append(bind)
    found: list[Hand] = []
    for binds in definitions(trace, set(named) | set(compared) | likely):
        name, at = binds[0].name, binds[0].index
        before = [p for p in passes if p.end < at]
        for forward in reversed(before):
            function = binds[0].statement.function
            nodes, claim = nodes_named(forward, named.get(name), at, function), "name"
            if name in pairs:
                claim = "pair"
            elif not nodes and name in compared:
                nodes, claim = nodes_named(forward, compared[name], at, function), "compared"
            told = (
                taken_up(forward, rebinds, named.get(name), binds[0]) if claim == "name" else None
            )
            if told is not None and id(told.value) not in {id(b.value) for b in nodes}:
                nodes = [told]
            if nodes:
                found.append(Hand(len(found), name, binds, forward, nodes[0], claim, nodes, told))
                break
        else:
            if before:
                found.append(Hand(len(found), name, binds, before[-1], None, "value"))
    return found


def definitions(trace: Trace, names: set[str]) -> list[list[Bind]]:
    """Return, for each name, its definitions: a plain `=` starts a new one."""
    current: dict[str, list[Bind]] = {}
    found: list[list[Bind]] = []
    for event in trace.events:
        if type(event) is Barrier:
            current.clear()
        if type(event) is not Bind or event.name not in names:
            continue
        keyed = event.kind == "param" and KEYED.fullmatch(event.name) is not None
        if (event.kind == "param" and not keyed) or not event.value.is_floating_point():
            continue
        fresh = (event.kind == "assign" and not event.alias) or keyed
        if fresh or event.name not in current:
            current[event.name] = []
            found.append(current[event.name])
        current[event.name].append(event)
    return found


def nodes_named(forward: Pass, name: str | None, before: int, function: str) -> list[Bind]:
    """Return the pass's nodes of that name, named before event `before`: the last one first.

    For a gradient in `function`, names in the same class count before all others (`dx` in
    Linear.backward is that of the `x` in Linear.forward); for one at the top, those at the top.
    """
    same = [b for b in forward.nodes() if _is_named(b, name) and b.index < before]
    owner = function.rpartition(".")[0]
    near = [b for b in same if b.statement.function.rpartition(".")[0] == owner]
    if not function:
        near = [b for b in same if not b.statement.function]
    found: dict[tuple[int, int], Bind] = {}
    for bind in near if near and (owner or not function) else same:
        key = (id(bind.value), forward.writes_before(bind))
        first = found.pop(key, bind)
        found[key] = first if bind.kind == "param" else bind  # its own name, not an argument's
    return list(found.values())[::-1]


def _is_named(bind: Bind, name: str | None) -> bool:
    if name is not None and name.endswith(EACH):
        return bind.name.startswith(name[: -len(EACH)] + "[")
    return bind.name == name


def taken_up(
    forward: Pass,
    rebinds: Mapping[tuple[str, str], Sequence[Bind]],
    name: str | None,
    hand: Bind,
) -> Bind | None:
    """Return the node that `name` stands for where `hand` is made, if it was named again there.

    A backward function takes it as an argument or out of a cache, a loop out of a list. `rebinds`
    are all names' Binds by function and name.
    """
    binds = rebinds.get((hand.statement.function, name or ""), ())
    late = [b for b in binds if forward.end < b.index < hand.index and not b.alias]
    if not late or late[-1].kind == "update":
        return None
    same = [b for b in forward.nodes() if b.value is late[-1].value]
    return next((b for b in same if b.name == name), same[0] if same else None)


def compared_names(trace: Trace, passes: Sequence[Pass]) -> dict[str, str]:
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
