"""The gradients that a cell defines, and their verdicts.

A notebook's cells run in any order and repeatedly. If a gradient has been written again, only the
new one counts, unless a graded gradient was computed from the old one. What was computed from an
old gradient is out of date and says nothing about the current pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from handgrad.checker.pairs.hands import HandGradient
from handgrad.checker.pairs.pairing import CLIPPING
from handgrad.checker.record.gradient_names import PATTERNS, hand_names
from handgrad.checker.record.trace import Bind, Compared, Event, Op, Trace, key_of, needed
from handgrad.checker.records import Note, Row
from handgrad.checker.report.report import Report
from handgrad.checker.session import Session
from handgrad.notebook.stale import Bindings, StaleRow, stale

SAID_ONCE = ("HG209",)
"""Notes on the whole notebook; notes without a place are on the pass that is graded."""


def defines_gradients(events: Sequence[Event], trace: Trace, pairs: Mapping[str, str]) -> bool:
    """Return whether a cell's events name a gradient by hand, or compare one."""
    if any(type(e) is Compared for e in events):
        return True
    names = {e.name for e in events if type(e) is Bind and _is_written(e)}
    likely = {name for name in names if name in pairs or any(p.fullmatch(name) for p in PATTERNS)}
    if not likely:  # most cells: the names of the whole trace need not be looked at
        return False
    return not likely.isdisjoint(hand_names({b.name for b in trace.of(Bind)}, pairs))


def _is_written(bind: Bind) -> bool:
    return bind.kind != "param" and bool(bind.statement.text) and bind.value.is_floating_point()


def grade(session: Session, start: int, file: str) -> Report:
    """Grade the cell whose first event is number `start`: only its rows, missing ones last.

    Raises CheckError, one line, if nothing can be graded.
    """
    chosen: list[HandGradient] = []

    def only(hands: list[HandGradient]) -> list[HandGradient]:
        to_grade, of_cell = answerable(session.recorder.trace, hands, start)
        chosen.extend(of_cell)
        return to_grade

    report = session.finish(file, only=only)
    places = {(h.name, b.statement.place) for h in chosen for b in h.binds}
    rows = [r for r in report.rows if r.hand is None or (r.hand, r.place) in places]
    bindings = Bindings(session.recorder.trace)
    by_name = {h.name: h for h in chosen}
    current = [_unless_stale(row, by_name.get(row.hand or ""), bindings) for row in rows]
    cells = {place.cell for _, place in places}
    notes = [note for note in report.notes if _is_about(note, cells)]
    if current != rows:  # the gradients belong to two passes: notes on one of them would mislead
        rows, notes = current, []
    return replace(report, rows=tuple(rows), notes=tuple(notes))


def answerable(
    trace: Trace, hands: Sequence[HandGradient], start: int
) -> tuple[list[HandGradient], list[HandGradient]]:
    """Return the gradients to grade, and those of them that the cell from event `start` on set."""
    written = [h for h in hands if all(b.statement.text for b in h.binds)]
    of_cell = [h for h in written if _is_set_since(h, start)]
    passes = {id(h.forward) for h in of_cell}
    near = [h for h in written if id(h.forward) in passes]
    latest = {(h.binds[0].statement.function, h.name): _cell(h) for h in near}
    current = {h.number for h in near if latest[h.binds[0].statement.function, h.name] == _cell(h)}
    used = _used_by(trace, of_cell)
    mine = {h.number for h in of_cell}
    upstream = {h.number for h in near if any(id(b.value) in used for b in h.binds)}
    past = [h for h in near if h.number not in current | upstream | mine]
    tainted = _tainted(trace, past)
    fresh = {h.number for h in near if not any(id(b.value) in tainted for b in h.binds)}
    kept = mine | upstream | (current & fresh)
    return [h for h in near if h.number in kept], of_cell


def _is_set_since(hand: HandGradient, start: int) -> bool:
    """A later write through another name counts; clipping and optimizer steps do not."""
    return any(b.index >= start and not CLIPPING.search(b.statement.text) for b in hand.binds)


def _cell(hand: HandGradient) -> int | str | None:
    return hand.own_final().statement.place.cell


def _used_by(trace: Trace, hands: Sequence[HandGradient]) -> set[int]:
    """Return the ids of the tensors that the gradients were computed from."""
    stops = {key_of(b.value) for h in hands for b in h.forward.nodes()}
    targets = [b.value for h in hands for b in h.binds]
    ops = needed(trace.events, targets, stops - {key_of(t) for t in targets})
    return {id(t) for op in ops for t in op.inputs} | {id(t) for t in targets}


def _tainted(trace: Trace, hands: Sequence[HandGradient]) -> set[int]:
    """Return the ids of the tensors that were computed from these gradients."""
    tainted = {id(b.value) for h in hands for b in h.binds}
    for event in trace.events if tainted else ():
        if type(event) is Op and any(id(t) in tainted for t in event.inputs):
            tainted |= {id(t) for t in event.outputs}
    return tainted


def _unless_stale(row: Row, hand: HandGradient | None, bindings: Bindings) -> Row:
    """Return the row, or for a wrong gradient that is out of date a row that says so."""
    if hand is None or row.verdict not in ("wrong", "shape"):
        return row
    message = stale(hand, bindings)
    if message is None:
        return row
    return StaleRow(row.node, row.hand, "wrong", row.place, row.statement, message=message)


def _is_about(note: Note, cells: set[int | str | None]) -> bool:
    return note.place is None or note.place.cell in cells or note.code in SAID_ONCE
