"""What is worth saying apart from wrong: one small function a code, all in NOTES."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from handgrad.checker.passes.compare import LIMITS, ratio_of
from handgrad.checker.judge.grade import Grade
from handgrad.checker.passes.find import Pass
from handgrad.checker.passes.replay import OWN_GRAD
from handgrad.checker.record.trace import Barrier, Bind, Compared, Event, Op, Trace, key_of
from handgrad.checker.records import Note, Place


@dataclass(frozen=True)
class Evidence:
    """What a note may be drawn from: one pass, its gradients, and the source of the file."""

    trace: Trace
    forward: Pass
    grades: Sequence[Grade]
    again: Sequence[Grade]
    """Later definitions of gradients that are graded already."""
    backward: Sequence[Event]
    """The operations and names that the gradients were computed by."""


def alias(seen: Evidence) -> Iterator[Note]:
    """A finished gradient that a later statement wrote into under another name, without harm."""
    for grade in seen.grades:
        own = grade.hand.own_final()
        late = [b for b in grade.hand.binds if b.alias and b.index > own.index]
        if late and grade.alias is None:
            by = late[0].statement
            yield Note(
                "HG201",
                f"`{_first(by.text)}` writes into {grade.hand.name} too: both names stand for the "
                f"same memory. Here it does no harm; .clone() keeps them apart.",
                _node(grade),
                by.place,
            )


def overwritten(seen: Evidence) -> Iterator[Note]:
    """A forward tensor that the backward pass writes to."""
    made = {key_of(t) for e in seen.forward.events if type(e) is Op for t in e.outputs}
    names = {b.name for b in seen.forward.nodes() if b.kind != "param"}
    later = seen.trace.events[seen.forward.end + 1 :]
    written = {key_of(t) for e in later if type(e) is Op for t in e.writes}
    for event in later:
        if type(event) is not Bind or event.kind != "update" or event.name not in names:
            continue
        if key_of(event.value) in (made & written) - seen.forward.leaves:
            names.discard(event.name)
            yield Note(
                "HG202",
                f"`{_first(event.statement.text)}` overwrites {event.name}, a tensor of the "
                f"forward pass: whatever reads it afterwards reads another value.",
                event.name,
                event.statement.place,
            )


def rebuilt(seen: Evidence) -> Iterator[Note]:
    """A node computed again after the loss, and then read by the backward pass."""
    nodes = {b.name: id(b.value) for b in seen.forward.nodes() if b.kind != "param"}
    read = {id(t) for e in seen.backward if type(e) is Op for t in e.inputs}
    later = seen.trace.events[seen.forward.end + 1 :]
    made = {id(t) for e in later if type(e) is Op for t in e.outputs}
    for event in later:
        if type(event) is not Bind or event.kind != "assign" or id(event.value) not in read & made:
            continue
        if nodes.get(event.name, id(event.value)) != id(event.value):
            yield Note(
                "HG203",
                f"{event.name} is computed again after the loss: gradients that read it from here "
                f"on do not refer to the tensor that the loss came from.",
                event.name,
                event.statement.place,
            )


def own_grad(seen: Evidence) -> Iterator[Note]:
    """Autograd's `.grad` inside the pass by hand: then it is not by hand."""
    names = {id(b.value): b.name for b in seen.forward.nodes()[::-1]}
    for at, event in enumerate(seen.backward):
        if type(event) is Op and event.func == OWN_GRAD:
            user = next((b for b in seen.backward[at:] if type(b) is Bind), None)
            if user is not None:
                node = names.get(id(event.inputs[0]), "a tensor")
                yield Note(
                    "HG204",
                    f"{user.name} is computed from {node}.grad, which autograd has filled in: "
                    f"it holds only as long as backward() runs.",
                    node,
                    user.statement.place,
                )


def omitted(seen: Evidence) -> Iterator[Note]:
    """A branch left out whose gradient is truly 0 (the softmax's maximum)."""
    for grade in seen.grades:
        if grade.omitted and grade.right:
            yield Note(
                "HG205",
                f"{grade.hand.name} leaves out the branch through {' and '.join(grade.omitted)}; "
                f"its gradient is truly 0, so nothing is missing.",
                _node(grade),
                _place(grade),
            )


def cancel(seen: Evidence) -> Iterator[Note]:
    """Two mistakes that cancel."""
    for grade in seen.grades:
        if grade.root and grade.right:
            yield Note(
                "HG206",
                f"{grade.hand.name} comes out right because two mistakes cancel: its own line is "
                f"one, another is above it.",
                _node(grade),
                _place(grade),
            )


def lucky(seen: Evidence) -> Iterator[Note]:
    """A line that is right for these inputs only."""
    for grade in seen.grades:
        if grade.lucky is not None:
            yield Note(
                "HG207",
                f"{grade.hand.name} is right only by luck of these inputs: for other gradients "
                f"upstream this line gives something else than it should.",
                _node(grade),
                _place(grade),
            )


def masking(seen: Evidence) -> Iterator[Note]:
    """A parameter that is all 0 or all equal, and would hide a mistake."""
    told: set[int] = set()
    for bind in seen.forward.nodes():
        value = bind.value
        if key_of(value) not in seen.forward.leaves or id(value) in told or bind.kind == "param":
            continue
        told.add(id(value))
        if not value.requires_grad:
            continue  # a constant: an initial state of zeros is no parameter
        start = seen.trace.at(value, seen.forward.start).detach()
        if start.numel() > 1 and bool((start == start.flatten()[0]).all()):
            level = float(start.flatten()[0])
            yield Note(
                "HG208",
                f"{bind.name} is {level:.4g} throughout: a mistake in how it enters a gradient may "
                f"not show. Start it from random numbers while checking.",
                bind.name,
                bind.statement.place,
            )


def slip(seen: Evidence) -> Iterator[Note]:
    """The right value in the wrong shape."""
    for grade in seen.grades:
        if grade.fit is not None:
            yield Note(
                "HG210",
                f"{grade.hand.name} has the shape {tuple(grade.value.shape)}, {_node(grade)} has "
                f"{tuple(_truth(grade).shape)}: {grade.fit.mend} mends it.",
                _node(grade),
                _place(grade),
            )


def autograd_off(seen: Evidence) -> Iterator[Note]:
    """Autograd's own gradient further from the truth than rounding explains, and than by hand."""
    for grade in seen.grades:
        node = grade.hand.node
        own = seen.forward.autograd.get(node.index) if node is not None else None
        if node is None or own is None or not grade.right or own.shape != grade.value.shape:
            continue
        truth, noise = seen.forward.truth[node.index], seen.forward.noise[node.index]
        limit = LIMITS.get(own.dtype, 16.0)
        mine = ratio_of(grade.value, None, truth, noise)
        ratio = ratio_of(own, None, truth, noise)
        if ratio > max(limit, 4 * mine):
            far = f"{ratio:.3g} times the rounding to be expected, yours {mine:.3g}"
            finite = own.isfinite().all() or not truth.isfinite().all()
            yield Note(
                "HG211",
                f"autograd's gradient of {node.name} is further from the truth than yours: "
                f"{far if finite else 'it is not finite where the truth is'}.",
                node.name,
                _place(grade),
            )


def compared(seen: Evidence) -> Iterator[Note]:
    """A comparison of a gradient with another node's."""
    hands = {id(b.value): g for g in seen.grades for b in g.hand.binds}
    nodes = {id(b.value): b.name for b in seen.forward.nodes()[::-1] if b.kind != "param"}
    for event in seen.trace.of(Compared):
        for hand, node in (event.values, event.values[::-1]):
            grade = hands.get(id(hand))
            right = grade.hand.node.value if grade and grade.hand.node else None
            if grade and right is not None and id(node) in nodes and node is not right:
                yield Note(
                    "HG212",
                    f"`{_first(event.statement.text)}` compares with the gradient of "
                    f"{nodes[id(node)]}; {grade.hand.name} is that of {_node(grade)}.",
                    _node(grade),
                    event.statement.place,
                )


def again(seen: Evidence) -> Iterator[Note]:
    """A gradient written a second time, which nothing else is computed from."""
    for grade in seen.again:
        if grade.right:
            yield Note(
                "HG213",
                f"{grade.hand.name} is written again here, and is right.",
                _node(grade),
                _place(grade),
            )


def cut_loops(seen: Evidence) -> Iterator[Note]:
    """A loop that was not recorded to its end."""
    for event in seen.trace.of(Barrier):
        if event.statement is not None:
            yield Note(
                "HG214",
                f"this loop was checked {event.reason}; the rest of it ran unrecorded.",
                None,
                event.statement.place,
            )


def clipped(seen: Evidence) -> Iterator[Note]:
    """Gradients that were finished, and then clipped or scaled for the step."""
    by_place: dict[Place, list[Grade]] = {}
    for grade in seen.grades:
        if grade.hand.clipped is not None:
            by_place.setdefault(grade.hand.clipped.place, []).append(grade)
    for place, grades in by_place.items():
        by, names = grades[0].hand.clipped, dict.fromkeys(g.hand.name for g in grades)
        assert by is not None
        graded = "it is graded as it was" if len(names) == 1 else "they are graded as they were"
        yield Note(
            "HG217",
            f"`{_first(by.text)}` changes {', '.join(names)} on purpose, so it seems: "
            f"{graded} before.",
            _node(grades[0]) if len(names) == 1 else None,
            place,
        )


NOTES: tuple[Callable[[Evidence], Iterator[Note]], ...] = (
    alias, overwritten, rebuilt, own_grad, omitted, cancel, lucky, masking, slip, autograd_off,
    compared, again, cut_loops, clipped,
)  # fmt: skip


def find_notes(seen: Evidence) -> list[Note]:
    """Return every note, each once, in the order of NOTES."""
    return list(dict.fromkeys(note for find in NOTES for note in find(seen)))


def _first(text: str) -> str:
    line = text.split("\n")[0]
    return line if len(line) <= 80 else line[:77] + "..."


def _node(grade: Grade) -> str:
    assert grade.hand.node is not None
    return grade.hand.node.name


def _truth(grade: Grade) -> Tensor:
    assert grade.hand.node is not None
    return grade.hand.forward.truth[grade.hand.node.index]


def _place(grade: Grade) -> Place:
    return grade.hand.own_final().statement.place
