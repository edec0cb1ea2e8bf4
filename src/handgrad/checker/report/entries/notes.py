"""Notes: what is worth knowing apart from wrong gradients."""

import re
from collections.abc import Callable, Iterator, Mapping

from handgrad.checker.judge.grade import Grade
from handgrad.checker.passes.compare import LIMITS, near, ratio_of
from handgrad.checker.record.call import Update
from handgrad.checker.record.effects import OWN_GRAD
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Backward, Barrier, Bind, Compared, Op, key_of
from handgrad.checker.records import Note, Place
from handgrad.checker.report.entries.evidence import NoteEvidence, Remark
from handgrad.checker.report.entries.factors import kept_factor, natural_loss
from handgrad.checker.report.entries.rows import correction
from handgrad.checker.report.entries.training import ascends, too_early
from handgrad.text import listed


def alias(evidence: NoteEvidence) -> Iterator[Remark]:
    """A finished gradient that a later statement writes to through another name, without harm."""
    for grade in evidence.grades:
        finished = grade.hand.own_final().index
        late = [b.statement for b in grade.hand.binds if b.alias and b.index > finished]
        if late and grade.alias is None:
            message = (
                f"`{_first_line(late[0])}` also writes to {grade.hand.name}: both names refer to "
                f"the same memory. The result is still correct here; .clone() separates them."
            )
            yield message, _node(grade), late[0].place


def overwritten(evidence: NoteEvidence) -> Iterator[Remark]:
    """A forward tensor that the backward pass writes to."""
    computed = {key_of(t) for e in evidence.forward.events if type(e) is Op for t in e.outputs}
    names = {b.name for b in evidence.forward.nodes() if b.kind != "param"}
    written = {key_of(t) for e in evidence.later if type(e) is Op for t in e.writes}
    changed = (computed & written) - evidence.forward.leaves
    changed -= {key_of(e.parameter) for e in evidence.later if type(e) is Update}
    for event in evidence.later:
        if type(event) is not Bind or event.kind != "update" or event.name not in names:
            continue
        if key_of(event.value) in changed:
            names.discard(event.name)
            message = (
                f"`{_first_line(event.statement)}` overwrites {event.name}, a tensor of the "
                f"forward pass. Lines that read it afterwards get another value."
            )
            yield message, event.name, event.statement.place


def rebuilt(evidence: NoteEvidence) -> Iterator[Remark]:
    """A node that is computed again after the loss and then read by the backward pass."""
    nodes = {b.name: id(b.value) for b in evidence.forward.nodes() if b.kind != "param"}
    known = {id(b.value) for b in evidence.forward.nodes()}  # of another layer, by the same name
    read = {id(t) for e in evidence.backward if type(e) is Op for t in e.inputs}
    computed = {id(t) for e in evidence.later if type(e) is Op for t in e.outputs} & read
    computed -= known
    for event in evidence.later:
        if type(event) is not Bind or event.kind != "assign" or id(event.value) not in computed:
            continue
        if nodes.get(event.name, id(event.value)) != id(event.value):
            message = (
                f"{event.name} is computed again after the loss. Gradients that read it from here "
                f"on do not use the tensor that the loss was computed from."
            )
            yield message, event.name, event.statement.place


def own_grad(evidence: NoteEvidence) -> Iterator[Remark]:
    """Autograd's `.grad` inside the backward pass by hand."""
    names = {id(b.value): b.name for b in evidence.forward.nodes()[::-1]}
    called = bool(evidence.trace.of(Backward))  # else a `.grad` is one that the file has set
    for at, event in enumerate(evidence.backward if called else ()):
        if type(event) is not Op or event.func != OWN_GRAD:
            continue
        user = next((b for b in evidence.backward[at:] if type(b) is Bind), None)
        if user is not None:
            node = names.get(id(event.inputs[0]), "a tensor")
            message = (
                f"{user.name} is computed from {node}.grad, which autograd computed: this "
                f"gradient is not by hand and needs backward() to run."
            )
            yield message, node, user.statement.place


def masking(evidence: NoteEvidence) -> Iterator[Remark]:
    """A parameter whose elements are all equal, which may hide a mistake."""
    forward = evidence.forward
    parameters: dict[int, Bind] = {}
    for bind in forward.nodes():
        # a constant without requires_grad, such as an initial state of zeros, is no parameter
        is_parameter = bind.value.requires_grad and key_of(bind.value) in forward.leaves
        if is_parameter and bind.kind != "param":
            parameters.setdefault(id(bind.value), bind)
    for bind in parameters.values():
        elements = evidence.trace.at(bind.value, forward.start).detach().flatten()
        if len(elements) > 1 and bool((elements == elements[0]).all()):
            message = (
                f"All elements of {bind.name} are {float(elements[0]):.4g}: a mistake in a "
                f"gradient that reads it may not show. Initialise it with random numbers while "
                f"checking."
            )
            yield message, bind.name, bind.statement.place


def compared(evidence: NoteEvidence) -> Iterator[Remark]:
    """A comparison of a gradient with another node's."""
    grades: dict[int, list[Grade]] = {}
    for grade in evidence.grades:
        for bind in grade.hand.binds:
            grades.setdefault(id(bind.value), []).append(grade)
    nodes = {id(b.value): b for b in evidence.forward.nodes()[::-1] if b.kind != "param"}
    for event in evidence.trace.of(Compared):
        for gradient, other in (event.values, event.values[::-1]):
            owners, node = grades.get(id(gradient), []), nodes.get(id(other))
            if not owners or node is None or any(_is_of(g, node, evidence) for g in owners):
                continue
            name = owners[0].hand.name
            message = (
                f"`{_first_line(event.statement)}` compares {name} with the gradient of "
                f"{node.name}, but {name} is the gradient of {_node(owners[0])}."
            )
            yield message, _node(owners[0]), event.statement.place


def _is_of(grade: Grade, node: Bind, evidence: NoteEvidence) -> bool:
    """Tell whether a gradient belongs to a node, or is equal to its gradient anyway."""
    own, forward = grade.hand.node, evidence.forward
    if node.value is own.value:
        return True
    truth, of_own = forward.truth.get(node.index), forward.truth[own.index]
    if truth is None or truth.shape != of_own.shape:
        return False
    return bool(near(truth, of_own, forward.noise[node.index]).all())


def again(evidence: NoteEvidence) -> Iterator[Remark]:
    """A gradient computed a second time, which no other is computed from."""
    for grade in evidence.again:
        if grade.right:
            message = f"{grade.hand.name} is computed again here and is correct."
            yield message, _node(grade), _place(grade)


PAUSED = "recording of this loop stopped {}; its other iterations ran unrecorded."
LEFT = (
    "the run ended here, {} of this loop: no line that was still to run computes a gradient by "
    "hand. --whole runs the whole file."
)


def cut_loops(evidence: NoteEvidence) -> Iterator[Remark]:
    """A loop that was not recorded to its end, if gradients by hand are computed in it."""
    graded = {b.index for g in (*evidence.grades, *evidence.again) for b in g.hand.binds}
    for event in evidence.trace.of(Barrier):
        inside = any(event.begin <= index < event.index for index in graded)
        if event.statement is not None and (event.last or inside):
            yield (LEFT if event.last else PAUSED).format(event.reason), None, event.statement.place


def clipped(evidence: NoteEvidence) -> Iterator[Remark]:
    """Finished gradients that are then clipped or scaled for the update."""
    clippings: dict[Place, tuple[Statement, list[Grade]]] = {}
    for grade in evidence.grades:
        if (statement := grade.hand.clipped) is not None:
            clippings.setdefault(statement.place, (statement, []))[1].append(grade)
    for place, (statement, grades) in clippings.items():
        names = dict.fromkeys(grade.hand.name for grade in grades)
        is_one = len(names) == 1
        judged = "it is judged as it was" if is_one else "they are judged as they were"
        does = "adds to" if re.search(r"\+|\badd", statement.text) else "clips or scales"
        message = (
            f"`{_first_line(statement)}` {does} {listed(names)} once finished: {judged} before."
        )
        yield message, _node(grades[0]) if is_one else None, place


def autograd_off(evidence: NoteEvidence) -> Iterator[Remark]:
    """Autograd's gradient further from the truth than rounding explains, and than by hand."""
    for grade in evidence.grades:
        index = grade.hand.node.index
        autograd = evidence.forward.autograd.get(index)
        if autograd is None or not grade.right or autograd.shape != grade.value.shape:
            continue
        truth, noise = evidence.forward.truth[index], evidence.forward.noise[index]
        by_hand = ratio_of(grade.value, None, truth, noise)
        ratio = ratio_of(autograd, None, truth, noise)
        if ratio > max(LIMITS.get(autograd.dtype, 16.0), 4 * by_hand):
            far = f"its error is {ratio:.3g} times the expected rounding, yours {by_hand:.3g} times"
            finite = autograd.isfinite().all() or not truth.isfinite().all()
            message = (
                f"autograd's gradient of {_node(grade)} is further from the truth than yours: "
                f"{far if finite else 'it is not finite where the truth is'}."
            )
            yield message, _node(grade), _place(grade)


NOTES: Mapping[str, Callable[[NoteEvidence], Iterator[Remark]]] = {
    "HG201": alias,
    "HG202": overwritten,
    "HG203": rebuilt,
    "HG204": own_grad,
    "HG208": masking,
    "HG211": autograd_off,
    "HG212": compared,
    "HG213": again,
    "HG214": cut_loops,
    "HG217": clipped,
    "HG222": kept_factor,
    "HG223": natural_loss,
    "HG224": ascends,
    "HG226": too_early,
}


def on_gradient(grade: Grade) -> Iterator[tuple[str, str]]:
    """Yield the code and the message of each note that the grade of one gradient shows."""
    name, node = grade.hand.name, grade.hand.node
    if grade.right and grade.omitted:  # such as that of the softmax's maximum
        yield (
            "HG205",
            (
                f"{name} leaves out the contribution through {listed(grade.omitted)}, which is "
                f"exactly 0: nothing is missing."
            ),
        )
    if grade.right and grade.root:
        yield (
            "HG206",
            (
                f"{name} is correct only because two mistakes cancel: one is in its own line, the "
                f"other is upstream."
            ),
        )
    if grade.lucky is not None:
        yield (
            "HG207",
            (
                f"{name} is correct only for these inputs: with other upstream gradients this line "
                f"gives a wrong result."
            ),
        )
    if grade.fit is not None and grade.verdict == "shape":
        expected = tuple(grade.hand.forward.truth[node.index].shape)
        yield (
            "HG210",
            (
                f"{name} has shape {tuple(grade.value.shape)}, {node.name} has shape {expected}: "
                f"{correction(grade, grade.fit)} corrects it."
            ),
        )


def find_notes(evidence: NoteEvidence) -> list[Note]:
    """Return every note, each once, in the order of the codes."""
    notes = [Note(code, *remark) for code, find in NOTES.items() for remark in find(evidence)]
    for grade in evidence.grades:
        notes += [Note(*note, _node(grade), _place(grade)) for note in on_gradient(grade)]
    return sorted(dict.fromkeys(notes), key=lambda note: note.code)


def _first_line(statement: Statement) -> str:
    line = statement.text.split("\n")[0]
    return line if len(line) <= 80 else line[:77] + "..."


def _node(grade: Grade) -> str:
    return grade.hand.node.name


def _place(grade: Grade) -> Place:
    return grade.hand.own_final().statement.place
