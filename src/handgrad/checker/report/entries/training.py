"""Notes on training: what is done with gradients that are right."""

import re
from collections.abc import Iterator, Sequence

from torch import Tensor

from handgrad.checker.judge.grade import Grade
from handgrad.checker.pairs.updates import replaces
from handgrad.checker.passes.natural import is_natural
from handgrad.checker.record.call import Update
from handgrad.checker.record.effects import SET_DATA
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Op, Trace, key_of
from handgrad.checker.records import Note, Row
from handgrad.checker.report.entries.evidence import NoteEvidence, Remark
from handgrad.text import one_line

MINIMISED = re.compile(
    r"(?i)loss|cost|err|nll|neg|mse|entropy|perplexity|^(?:ce|bce|xent|[jle])\d*$"
)
MAXIMISED = re.compile(
    r"(?i)(?<!neg_)(?<!neg)(?<!negative_)log_?lik|reward|score|utility|gain|elbo"
    r"|adv|disc|critic|fake|(?:^|_)d(?:_|$)"
)
"""Losses that some step may be meant to make larger; of two players, one does."""
DATA = re.compile(r"(?i)x|xb|x_\w+|z|\w*(?:img|image|input|inp|adv|delta|pert|noise)\w*")
"""Names of what an adversarial example changes."""
ADDS = ("add", "iadd", "index_add", "index_put", "scatter_add", "setitem", "at")
"""Functions that may add to what a tensor held."""


def ascends(evidence: NoteEvidence) -> Iterator[Remark]:
    """An update that goes up the gradient of a loss."""
    forward = evidence.forward
    loss = next((b.name for b in forward.nodes() if b.value is forward.outputs[0]), "")
    if is_natural(forward) or not MINIMISED.search(loss) or MAXIMISED.search(loss):
        return
    grades = {(id(b.value), key_of(g.hand.node.value)): g for g in evidence.grades
              if g.right and not g.unfinished for b in g.hand.binds}  # fmt: skip
    for update in evidence.trace.of(Update):
        key = key_of(update.parameter)
        taken = [grades.get((id(level), key)) for level in update.levels]
        grade = next((g for g in taken if g is not None), None)
        if grade is None or key not in forward.leaves or update.descends:
            continue
        if DATA.fullmatch(grade.hand.node.name) or grade.hand.name.startswith("step of "):
            continue  # a step without a name is judged with its sign
        if _factor(grade) * update.factor > 0:
            continue  # they are minus the gradients of the loss
        name, node = grade.hand.name, grade.hand.node.name
        message = (
            f"`{_line(update.statement)}` adds a multiple of {name}, the gradient of {loss} by "
            f"{node}: this step makes {loss} larger. A step down subtracts it."
        )
        yield message, node, update.statement.place


def too_early(evidence: NoteEvidence) -> Iterator[Remark]:
    """An update of a parameter whose old value a later gradient needs."""
    forward = evidence.forward
    names: dict[int, str] = {}
    for node in forward.nodes():
        names.setdefault(key_of(node.value), node.name)
    for update in evidence.trace.of(Update):
        key = key_of(update.parameter)
        if key not in forward.leaves or key not in names or update.index <= forward.end:
            continue
        name = names[key]
        late = [g for g in evidence.grades if g.root and _reads_after(g, name, update)]
        if late:
            hand = late[0].hand
            message = (
                f"`{_line(update.statement)}` changes {name} before {hand.name}, which reads "
                f"{name} as the loss used it, is computed (line "
                f"{hand.own_final().statement.place.line}): move the update below."
            )
            yield message, name, update.statement.place


def not_reset(trace: Trace) -> list[Note]:
    """Return a note for each buffer of gradients that goes on growing after an update took it."""
    updates = trace.of(Update)
    notes = []
    for number, update in enumerate(updates):
        for level in update.levels[-1:]:
            grown = _grown(trace, update, level)
            later = [u for u in updates[number + 1 :] if u.statement is update.statement]
            if grown is None or not any(_takes(u, grown) for u in later):
                continue
            made = {key_of(t) for t in grown.outputs}
            binds = (b for b in trace.of(Bind) if b.index > grown.index and b.kind == "update")
            bind = next((b for b in binds if key_of(b.value) in made), None)
            if bind is None:
                continue
            message = (
                f"`{_line(bind.statement)}` adds to what {bind.name} holds from the step before: "
                f"nothing sets it to 0 after `{_line(update.statement)}`."
            )
            notes.append(Note("HG225", message, bind.name, bind.statement.place))
    return list(dict.fromkeys(notes))


def without_grown(rows: Sequence[Row], notes: Sequence[Note]) -> list[Row]:
    """Return the rows without the gradients that are wrong as they are not reset, as a note says.

    Their lines are right for one step; a row whose line adds to them stays.
    """
    places = {note.node: note.place for note in notes}
    return [
        row
        for row in rows
        if row.hand not in places or row.blame != "root" or row.place == places[row.hand]
    ]


def _grown(trace: Trace, update: Update, level: Tensor) -> Op | None:
    """Return the first operation after an update that adds to the gradient it took, if one does."""
    key = key_of(level)
    for event in trace.events[update.index + 1 :]:
        if type(event) is not Op:
            continue
        written, read = key in map(key_of, event.writes), key in map(key_of, event.inputs)
        if written or (read and _name(event) == "add" and _same_shape(event, level)):
            adds = _name(event) in ADDS and not replaces(event) and event.func != SET_DATA
            return event if adds else None
    return None


def _takes(update: Update, grown: Op) -> bool:
    """Tell whether an update takes what the operation made."""
    keys = {key_of(t) for t in grown.outputs}
    return update.index > grown.index and any(key_of(level) in keys for level in update.levels)


def _same_shape(op: Op, level: Tensor) -> bool:
    return any(t.shape == level.shape for t in op.outputs)


def _factor(grade: Grade) -> float:
    forward = grade.hand.forward
    return forward.common * forward.factors.get(id(grade.hand.node.value), 1.0)


def _reads_after(grade: Grade, name: str, update: Update) -> bool:
    word = re.compile(rf"(?<![\w.]){re.escape(name)}\b")
    binds = [b for b in grade.hand.binds if b.index > update.index and not b.alias]
    return any(word.search(b.statement.text) for b in binds)


def _name(op: Op) -> str:
    return str(getattr(op.func, "__name__", "")).strip("_")


def _line(statement: Statement) -> str:
    return one_line(statement.text.split("\n")[0], 80)
