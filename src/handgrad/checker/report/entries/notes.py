"""Notes: what is worth knowing apart from wrong gradients. One small function per code."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from handgrad.checker.judge.grade import Grade
from handgrad.checker.passes.compare import LIMITS, ratio_of
from handgrad.checker.passes.replay import OWN_GRAD
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Barrier, Bind, Compared, Event, Op, Trace, key_of
from handgrad.checker.records import Note, Place
from handgrad.text import listed


@dataclass(frozen=True)
class NoteEvidence:
    """What a note is drawn from: one pass, its grades, and the trace of the file."""

    trace: Trace
    forward: Pass
    grades: Sequence[Grade]
    again: Sequence[Grade]
    """Later definitions of gradients that are judged already."""
    backward: Sequence[Event]
    """The operations and names that compute the gradients."""


def alias(evidence: NoteEvidence) -> Iterator[Note]:
    """A finished gradient that a later statement writes to through another name, without harm."""
    for grade in evidence.grades:
        own = grade.hand.own_final()
        late = [b for b in grade.hand.binds if b.alias and b.index > own.index]
        if late and grade.alias is None:
            by = late[0].statement
            yield Note(
                "HG201",
                f"`{_first_line(by.text)}` also writes to {grade.hand.name}: both names refer to "
                f"the same memory. The result is still correct here; .clone() separates them.",
                _node(grade),
                by.place,
            )


def overwritten(evidence: NoteEvidence) -> Iterator[Note]:
    """A forward tensor that the backward pass writes to."""
    made = {key_of(t) for e in evidence.forward.events if type(e) is Op for t in e.outputs}
    names = {b.name for b in evidence.forward.nodes() if b.kind != "param"}
    later = evidence.trace.events[evidence.forward.end + 1 :]
    written = {key_of(t) for e in later if type(e) is Op for t in e.writes}
    for event in later:
        if type(event) is not Bind or event.kind != "update" or event.name not in names:
            continue
        if key_of(event.value) in (made & written) - evidence.forward.leaves:
            names.discard(event.name)
            yield Note(
                "HG202",
                f"`{_first_line(event.statement.text)}` overwrites {event.name}, a tensor of the "
                f"forward pass. Lines that read it afterwards get another value.",
                event.name,
                event.statement.place,
            )


def rebuilt(evidence: NoteEvidence) -> Iterator[Note]:
    """A node that is computed again after the loss and then read by the backward pass."""
    nodes = {b.name: id(b.value) for b in evidence.forward.nodes() if b.kind != "param"}
    read = {id(t) for e in evidence.backward if type(e) is Op for t in e.inputs}
    later = evidence.trace.events[evidence.forward.end + 1 :]
    made = {id(t) for e in later if type(e) is Op for t in e.outputs}
    for event in later:
        if type(event) is not Bind or event.kind != "assign" or id(event.value) not in read & made:
            continue
        if nodes.get(event.name, id(event.value)) != id(event.value):
            yield Note(
                "HG203",
                f"{event.name} is computed again after the loss. Gradients that read it from here "
                f"on do not use the tensor that the loss was computed from.",
                event.name,
                event.statement.place,
            )


def own_grad(evidence: NoteEvidence) -> Iterator[Note]:
    """Autograd's `.grad` inside the backward pass by hand."""
    names = {id(b.value): b.name for b in evidence.forward.nodes()[::-1]}
    for at, event in enumerate(evidence.backward):
        if type(event) is Op and event.func == OWN_GRAD:
            user = next((b for b in evidence.backward[at:] if type(b) is Bind), None)
            if user is not None:
                node = names.get(id(event.inputs[0]), "a tensor")
                yield Note(
                    "HG204",
                    f"{user.name} is computed from {node}.grad, which autograd computed: this "
                    f"gradient is not by hand and needs backward() to run.",
                    node,
                    user.statement.place,
                )


def omitted(evidence: NoteEvidence) -> Iterator[Note]:
    """A contribution left out that is exactly 0 (the softmax's maximum)."""
    for grade in evidence.grades:
        if grade.omitted and grade.right:
            yield Note(
                "HG205",
                f"{grade.hand.name} leaves out the contribution through {listed(grade.omitted)}, "
                f"which is exactly 0: nothing is missing.",
                _node(grade),
                _place(grade),
            )


def cancel(evidence: NoteEvidence) -> Iterator[Note]:
    """Two mistakes that cancel."""
    for grade in evidence.grades:
        if grade.root and grade.right:
            yield Note(
                "HG206",
                f"{grade.hand.name} is correct only because two mistakes cancel: one is in its own "
                f"line, the other is upstream.",
                _node(grade),
                _place(grade),
            )


def lucky(evidence: NoteEvidence) -> Iterator[Note]:
    """A line that is correct only for these inputs."""
    for grade in evidence.grades:
        if grade.lucky is not None:
            yield Note(
                "HG207",
                f"{grade.hand.name} is correct only for these inputs: with other upstream "
                f"gradients this line gives a wrong result.",
                _node(grade),
                _place(grade),
            )


def masking(evidence: NoteEvidence) -> Iterator[Note]:
    """A parameter whose elements are all equal, which may hide a mistake."""
    noted: set[int] = set()
    for bind in evidence.forward.nodes():
        value = bind.value
        if (
            key_of(value) not in evidence.forward.leaves
            or id(value) in noted
            or bind.kind == "param"
        ):
            continue
        noted.add(id(value))
        if not value.requires_grad:
            continue  # a constant: an initial state of zeros is no parameter
        start = evidence.trace.at(value, evidence.forward.start).detach()
        if start.numel() > 1 and bool((start == start.flatten()[0]).all()):
            level = float(start.flatten()[0])
            yield Note(
                "HG208",
                f"All elements of {bind.name} are {level:.4g}: a mistake in a gradient that reads "
                f"it may not show. Initialise it with random numbers while checking.",
                bind.name,
                bind.statement.place,
            )


def slip(evidence: NoteEvidence) -> Iterator[Note]:
    """A correct value in the wrong shape."""
    for grade in evidence.grades:
        if grade.fit is not None:
            yield Note(
                "HG210",
                f"{grade.hand.name} has shape {tuple(grade.value.shape)}, {_node(grade)} has shape "
                f"{tuple(_truth(grade).shape)}: {grade.fit.mend} corrects it.",
                _node(grade),
                _place(grade),
            )


def autograd_off(evidence: NoteEvidence) -> Iterator[Note]:
    """Autograd's gradient further from the truth than rounding explains, and than by hand."""
    for grade in evidence.grades:
        node = grade.hand.node
        own = evidence.forward.autograd.get(node.index)
        if own is None or not grade.right or own.shape != grade.value.shape:
            continue
        truth, noise = evidence.forward.truth[node.index], evidence.forward.noise[node.index]
        limit = LIMITS.get(own.dtype, 16.0)
        mine = ratio_of(grade.value, None, truth, noise)
        ratio = ratio_of(own, None, truth, noise)
        if ratio > max(limit, 4 * mine):
            far = f"its error is {ratio:.3g} times the expected rounding, yours {mine:.3g} times"
            finite = own.isfinite().all() or not truth.isfinite().all()
            yield Note(
                "HG211",
                f"autograd's gradient of {node.name} is further from the truth than yours: "
                f"{far if finite else 'it is not finite where the truth is'}.",
                node.name,
                _place(grade),
            )


def compared(evidence: NoteEvidence) -> Iterator[Note]:
    """A comparison of a gradient with another node's."""
    hands = {id(b.value): g for g in evidence.grades for b in g.hand.binds}
    nodes = {id(b.value): b.name for b in evidence.forward.nodes()[::-1] if b.kind != "param"}
    for event in evidence.trace.of(Compared):
        for hand, node in (event.values, event.values[::-1]):
            grade = hands.get(id(hand))
            right = grade.hand.node.value if grade else None
            if grade and right is not None and id(node) in nodes and node is not right:
                yield Note(
                    "HG212",
                    f"`{_first_line(event.statement.text)}` compares {grade.hand.name} with the "
                    f"gradient of {nodes[id(node)]}, but {grade.hand.name} is the gradient of "
                    f"{_node(grade)}.",
                    _node(grade),
                    event.statement.place,
                )


def again(evidence: NoteEvidence) -> Iterator[Note]:
    """A gradient computed a second time, which no other is computed from."""
    for grade in evidence.again:
        if grade.right:
            yield Note(
                "HG213",
                f"{grade.hand.name} is computed again here and is correct.",
                _node(grade),
                _place(grade),
            )


def cut_loops(evidence: NoteEvidence) -> Iterator[Note]:
    """A loop that was not recorded to its end."""
    for event in evidence.trace.of(Barrier):
        if event.statement is not None:
            yield Note(
                "HG214",
                f"recording of this loop stopped {event.reason}; its other iterations ran "
                f"unrecorded.",
                None,
                event.statement.place,
            )


def clipped(evidence: NoteEvidence) -> Iterator[Note]:
    """Finished gradients that are then clipped or scaled for the update."""
    by_place: dict[Place, list[Grade]] = {}
    for grade in evidence.grades:
        if grade.hand.clipped is not None:
            by_place.setdefault(grade.hand.clipped.place, []).append(grade)
    for place, grades in by_place.items():
        by, names = grades[0].hand.clipped, dict.fromkeys(g.hand.name for g in grades)
        assert by is not None
        judged = "it is judged as it was" if len(names) == 1 else "they are judged as they were"
        yield Note(
            "HG217",
            f"`{_first_line(by.text)}` clips or scales {listed(names)} once finished: {judged} "
            f"before.",
            _node(grades[0]) if len(names) == 1 else None,
            place,
        )


NOTES: tuple[Callable[[NoteEvidence], Iterator[Note]], ...] = (
    alias, overwritten, rebuilt, own_grad, omitted, cancel, lucky, masking, slip, autograd_off,
    compared, again, cut_loops, clipped,
)  # fmt: skip


def find_notes(evidence: NoteEvidence) -> list[Note]:
    """Return every note, each once, in the order of NOTES."""
    return list(dict.fromkeys(note for find in NOTES for note in find(evidence)))


def _first_line(text: str) -> str:
    line = text.split("\n")[0]
    return line if len(line) <= 80 else line[:77] + "..."


def _node(grade: Grade) -> str:
    return grade.hand.node.name


def _truth(grade: Grade) -> Tensor:
    return grade.hand.forward.truth[grade.hand.node.index]


def _place(grade: Grade) -> Place:
    return grade.hand.own_final().statement.place
