"""Which gradients a cell is answerable for, and what became of them.

A notebook's cells run in any order, again and again. A gradient that was written again is the new
one alone, unless what is graded comes from the old one; what was computed from an old one is out of
date and says nothing about the pass as it is now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from handgrad.checker.pairs.hands import HandGradient
from handgrad.checker.pairs.pairing import CLIPPING
from handgrad.checker.record.gradient_names import PATTERNS, hand_names
from handgrad.checker.record.trace import Bind, Compared, Event, Op, Trace, key_of, needed
from handgrad.checker.records import Note, Report, Row
from handgrad.checker.session import Session
from handgrad.notebook.stale import Bindings, Dated, stale

SAID_ONCE = ("HG209",)
"""Notes on the notebook as a whole; those without a place are of the pass that is graded."""


def defines_gradients(events: Sequence[Event], trace: Trace, pairs: Mapping[str, str]) -> bool:
    """Tell whether a cell's events name a gradient by hand, or compare one."""
    if any(type(e) is Compared for e in events):
        return True
    own = {e.name for e in events if type(e) is Bind and _is_written(e)}
    if not own:
        return False
    own &= {name for name in own if name in pairs or any(p.fullmatch(name) for p in PATTERNS)}
    if not own:
        return False
    return not own.isdisjoint(hand_names({b.name for b in trace.of(Bind)}, pairs))


def _is_written(bind: Bind) -> bool:
    return bind.kind != "param" and bool(bind.statement.text) and bind.value.is_floating_point()


def grade(session: Session, start: int, file: str) -> Report:
    """Grade the cell whose first event is number `start`; its rows alone, missing ones last.

    Raises CheckError, one line, where nothing can be graded.
    """
    chosen: list[HandGradient] = []

    def only(hands: list[HandGradient]) -> list[HandGradient]:
        found, own = answerable(session.recorder.trace, hands, start)
        chosen.extend(own)
        return found

    report = session.finish(file, only=only)
    places = {(h.name, b.statement.place) for h in chosen for b in h.binds}
    rows = [r for r in report.rows if r.hand is None or (r.hand, r.place) in places]
    bindings = Bindings(session.recorder.trace)
    own = {h.name: h for h in chosen}
    dated = [_dated(row, own.get(row.hand or ""), bindings) for row in rows]
    cells = {place.cell for _, place in places}
    notes = [note for note in report.notes if _is_about(note, cells)]
    if dated != rows:  # of two passes at once: what holds for one of them would mislead
        rows, notes = dated, []
    return replace(report, rows=tuple(rows), notes=tuple(notes))


def answerable(
    trace: Trace, hands: Sequence[HandGradient], start: int
) -> tuple[list[HandGradient], list[HandGradient]]:
    """Return the gradients to grade, and those of them that the cell from event `start` on made."""
    written = [h for h in hands if all(b.statement.text for b in h.binds)]
    own = [h for h in written if _made_since(h, start)]
    passes = {id(h.forward) for h in own}
    near = [h for h in written if id(h.forward) in passes]
    latest = {(h.binds[0].statement.function, h.name): _cell(h) for h in near}
    current = {h.number for h in near if latest[h.binds[0].statement.function, h.name] == _cell(h)}
    used = _used_by(trace, own)
    mine = {h.number for h in own}
    upstream = {h.number for h in near if any(id(b.value) in used for b in h.binds)}
    past = [h for h in near if h.number not in current | upstream | mine]
    tainted = _tainted(trace, past)
    fresh = {h.number for h in near if not any(id(b.value) in tainted for b in h.binds)}
    kept = mine | upstream | (current & fresh)
    return [h for h in near if h.number in kept], own


def _made_since(hand: HandGradient, start: int) -> bool:
    """A later write through another name makes it, too; a clipping or a step does not."""
    return any(b.index >= start and not CLIPPING.search(b.statement.text) for b in hand.binds)


def _cell(hand: HandGradient) -> int | None:
    return hand.own_final().statement.place.cell


def _used_by(trace: Trace, hands: Sequence[HandGradient]) -> set[int]:
    """Return the ids of the tensors that went into the gradients."""
    stops = {key_of(t) for h in hands for b in h.forward.nodes() for t in (b.value,)}
    targets = [b.value for h in hands for b in h.binds]
    ops = needed(trace.events, targets, stops - {key_of(t) for t in targets})
    return {id(t) for op in ops for t in op.inputs} | {id(t) for t in targets}


def _tainted(trace: Trace, hands: Sequence[HandGradient]) -> set[int]:
    """Return the ids of the tensors that were computed from these gradients."""
    found = {id(b.value) for h in hands for b in h.binds}
    for event in trace.events if found else ():
        if type(event) is Op and any(id(t) in found for t in event.inputs):
            found |= {id(t) for t in event.outputs}
    return found


def _dated(row: Row, hand: HandGradient | None, bindings: Bindings) -> Row:
    """Say of a wrong gradient where it came from, if that is out of date: no line is to blame."""
    if hand is None or row.verdict not in ("wrong", "shape"):
        return row
    said = stale(hand, bindings)
    if said is None:
        return row
    return Dated(row.node, row.hand, "wrong", row.place, row.statement, message=said)


def _is_about(note: Note, cells: set[int | None]) -> bool:
    return note.place is None or note.place.cell in cells or note.code in SAID_ONCE
