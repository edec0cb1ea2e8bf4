"""The suspects of one gradient: its statements to blame, each with its evidence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from handgrad.checker.closeness import close
from handgrad.checker.explain.search.local import name_in, nodes_in
from handgrad.checker.explain.search.runner import LineRunner
from handgrad.checker.explain.search.scene import BackwardContext, ConsumerShare, Scene, View
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unit import Body, Unit, unit_of
from handgrad.checker.judge.grade import Grade
from handgrad.checker.judge.statements import grouped
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.scope import Scope
from handgrad.checker.record.trace import Bind, key_of


def suspects(grade: Grade, backward: BackwardContext) -> Iterator[Suspect]:
    """Yield the statements to blame for one gradient, each with its evidence."""
    groups = grouped(grade.hand)
    statements = [grade.hand.own_final().statement, *(s for s, _ in groups)]
    for statement in grade.blamed.statements or dict.fromkeys(statements):
        at = next((i for i, (s, _) in enumerate(groups) if s is statement), None)
        if at is not None:
            yield _suspect(grade, at, backward)
        elif statement is grade.alias:  # it is another gradient's statement
            yield replace(_suspect(grade, -1, backward), statement=statement, unit=None)


def suspects_of(grade: Grade, backward: BackwardContext) -> Iterator[Suspect]:
    """Yield a gradient's own statements, whichever is to blame, the last first."""
    for at in reversed(range(len(grouped(grade.hand)))):
        yield _suspect(grade, at, backward)


def _suspect(grade: Grade, at: int, backward: BackwardContext) -> Suspect:
    hand, forward = grade.hand, backward.forward
    groups = grouped(hand)
    statement, binds = groups[at]
    final = hand.own_final()
    looped = len(binds) > 1
    unit = unit_of(statement, hand.name, looped, groups[0][0], not hand.unnamed)
    later = groups[at + 1 :] if at >= 0 else []
    rest = "\n".join(s.text for s, _ in later)
    if any(len(b) > 1 for _, b in later):
        unit = None  # a loop follows: what comes of this statement alone cannot be told
    assert hand.node is not None
    number = id(hand.node.value)
    rights = [forward.truth[hand.node.index]]
    scope = binds[-1].scope or final.scope
    names = {b.name: b for b in forward.nodes() if b.kind != "param" or not hand.is_local()}
    names = nodes_in(names, scope)
    called = {id(b.value): name for name, b in names.items()}
    parts = _parts(number, backward, scope, called)
    direct = all(
        id(backward_hand.node.value) in backward.consumers.get(number, ())
        for backward_hand in backward.hands.values()
        if backward_hand.number in grade.reads and backward_hand.node is not None
    )
    whole = parts and all(p.hand is not None for p in parts)
    hidden = bool((rights[0].abs() <= forward.noise[hand.node.index]).all())  # 0 times x is 0
    memory = [(h.number, key_of(h.own_final().value)) for h in backward.hands.values()]
    keys = [key for _, key in memory]
    # where two share memory, one random gradient overwrites another
    apart = all(keys.count(key) == 1 for number, key in memory if number in grade.reads)
    apart = apart and not any(grade.reads & scene.fixed for scene in backward.scenes)
    whole = whole and close(sum_of(parts, 0), rights[0])  # of a result written by index it is not
    if len(backward.scenes) > 1 and (direct or hidden) and whole and grade.reads and apart:
        rights.append(sum_of(parts, 1))
    scenes = zip(backward.scenes, rights, strict=False)
    start = _start(groups, unit)
    views = tuple(
        v for scene, right in scenes
        if (v := _view(scene, binds, final, right, torch.float64, unit, start)) is not None
    )  # fmt: skip
    autograd = forward.autograd.get(hand.node.index)
    native = None
    if backward.native is not None and autograd is not None:
        native = _view(backward.native, binds, final, autograd, None, unit, start)
    gradients = {
        called.get(id(h.node.value), h.node.name): name_in(h, scope)
        for h in backward.hands.values()
    }
    return Suspect(grade, statement, unit, views, parts, rest, native, names, gradients, backward)


def sum_of(parts: Sequence[ConsumerShare], view: int) -> Tensor:
    """Return what all consumers contribute in a scene."""
    return torch.stack([part.values[view] for part in parts]).sum(0)


def _view(
    scene: Scene,
    binds: list[Bind],
    final: Bind,
    right: Tensor,
    dtype: torch.dtype | None,
    unit: Unit | None,
    start: Bind | None,
) -> View | None:
    first, moment = scene.moments.get(binds[0].index), scene.moments.get(binds[-1].index)
    last = scene.moments.get(final.index)
    if first is None or moment is None or last is None:
        return None
    loop = None if unit is None or unit.loop is None else first.loops.get(unit.loop)
    runner = LineRunner(loop or moment.names, dtype)
    start_of_loop = first if start is None else scene.moments.get(start.index, first)
    return View(
        moment, runner, LineRunner(last.names, dtype), start_of_loop.before, right, first.memory
    )


def _start(groups: Sequence[tuple[Statement, list[Bind]]], unit: Unit | None) -> Bind | None:
    """Return the first of the gradient's assignments in the unit's loop."""
    if unit is None or unit.loop is None:
        return None
    inside = [binds[0] for statement, binds in groups if _is_in(statement, unit.loop)]
    return min(inside, key=lambda bind: bind.index, default=None)


def _is_in(statement: Statement, loop: int) -> bool:
    return any(block.lineno == loop for block in Body(statement).loops)


def _parts(
    number: int, backward: BackwardContext, scope: Scope | None, called: Mapping[int, str]
) -> tuple[ConsumerShare, ...]:
    found = []
    for consumer, values in backward.parts.get(number, {}).items():
        hand = backward.hands.get(consumer)
        name = called.get(consumer) or backward.forward.name_of(consumer)
        found.append(ConsumerShare(name, None if hand is None else name_in(hand, scope), values))
    return tuple(found)
