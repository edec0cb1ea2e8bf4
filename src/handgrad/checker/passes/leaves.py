"""What a forward pass is differentiated by."""

from collections.abc import Mapping, Sequence, Set

from torch import Tensor

from handgrad.checker.record.trace import Bind, Event, Op, is_leaf, key_of, needed
from handgrad.checker.record.updates import fills, sets_all

LARGEST_SOURCE = 16 * 2**20
"""In bytes: a larger tensor without a gradient by hand is data, and is not differentiated by."""


def leaves_of(
    history: Sequence[Event],
    outputs: Sequence[Tensor],
    hands: Mapping[str, str],
    changed: set[int],
    known: Sequence[Bind],
    moved: Set[int],
) -> tuple[set[int], frozenset[int] | None]:
    """Return the storages to differentiate by, and those of them that are parameters.

    These require a gradient or, where none on the way to the outputs does, are where the way
    begins; then the parameters are those updated or with a gradient by hand. `changed` is the
    memory that other steps wrote to, `known` all names so far, those before a pause too, `moved`
    the memory that updates change.
    """
    node_names = set(hands.values())
    required = {
        key_of(t)
        for e in history
        if type(e) is Op
        for t in e.inputs
        if t.requires_grad and is_leaf(t) and t.is_floating_point()
    }
    ops = needed(history, outputs, required | changed)
    read = {key_of(t) for op in ops for t in op.inputs}
    required &= read
    nodes = [
        e for e in history
        if type(e) is Bind and (e.name in node_names or key_of(e.value) in moved & read)
    ]  # fmt: skip
    if required:
        return required | _given(history, nodes, required), None
    by_hand = {key_of(b.value) for b in known if b.name in node_names}
    starts = _updated(history, nodes, hands) | _filled_anew(history, by_hand, known)
    # w = 0.1 * torch.randn(...): the parameter is w
    named = _sources(history, outputs, starts | changed, by_hand)
    named &= {key_of(b.value) for b in known}
    starts |= _given(history, nodes, named | starts)
    sources = _sources(history, outputs, starts | changed, by_hand)
    return starts | sources, frozenset(starts | by_hand | changed)


def _sources(
    history: Sequence[Event], outputs: Sequence[Tensor], stops: set[int], by_hand: set[int]
) -> set[int]:
    """Return the memory where the way to the outputs begins, without large data."""
    ops = needed(history, outputs, stops)
    made = {key_of(t) for op in ops if op.inputs for t in op.outputs} - stops
    return {
        key_of(t)
        for op in ops
        for t in op.inputs
        if t.is_floating_point() and key_of(t) not in made
        if key_of(t) in by_hand or t.untyped_storage().nbytes() <= LARGEST_SOURCE
    }


def _updated(history: Sequence[Event], nodes: Sequence[Bind], hands: Mapping[str, str]) -> set[int]:
    """Return the nodes that are updated parameters: w after `w = w - lr * dw`, as the first w."""
    keys = {key_of(b.value) for b in nodes}
    gradients = {key_of(e.value) for e in history if type(e) is Bind and e.name in hands}
    found: set[int] = set()
    named_before: set[str] = set()
    for bind in nodes:
        key = key_of(bind.value)
        known = bind.name in named_before
        if known and _computed(history, bind, gradients - {key}, keys - {key}):
            found.add(key)
        named_before.add(bind.name)
    return found


def _filled_anew(history: Sequence[Event], by_hand: set[int], known: Sequence[Bind]) -> set[int]:
    """Return the parameters that get other numbers as a whole: `W[...] = 0.3 * rng.randn(3, 2)`."""
    named = {key_of(b.value) for b in known}
    found: set[int] = set()
    for event in history:
        written = {key_of(t) for t in event.writes} & by_hand if type(event) is Op else set()
        if type(event) is not Op or not written or not sets_all(event):
            continue
        values = [t for t in event.inputs if key_of(t) not in written]
        makers = needed([e for e in history if e.index < event.index], values, set())
        read = {key_of(t) for t in values} | {key_of(t) for op in makers for t in op.inputs}
        if not read & named:
            found |= written
    return found


def _given(history: Sequence[Event], nodes: Sequence[Bind], leaves: set[int]) -> set[int]:
    """Return the memory of nodes that is not computed from leaves.

    A buffer that is filled, as a whole or element by element, is computed, though it was allocated
    without them.
    """
    filled = {key_of(t) for e in history if type(e) is Op and fills(e) for t in e.writes}
    given: set[int] = set()
    for bind in nodes:
        key = key_of(bind.value)
        if key not in filled | given and not _computed(history, bind, leaves | given):
            given.add(key)
    last = {key_of(b.value): b for b in nodes if key_of(b.value) in filled}
    return given | {k for k, b in last.items() if not _computed(history, b, leaves | given)}


def _computed(
    history: Sequence[Event], bind: Bind, leaves: set[int], stops: set[int] | None = None
) -> bool:
    """Tell whether the value is computed from any of the leaves by a path without `stops`."""
    if bind.value.requires_grad or not bind.value.is_floating_point():
        return True
    before = [e for e in history if e.index < bind.index]
    ops = needed(before, [bind.value], stops or set())
    return any(key_of(t) in leaves for op in ops for t in op.inputs)
