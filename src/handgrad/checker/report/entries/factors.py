"""Notes on the factor that a file keeps in its gradients, and on the loss that it leaves out."""

from collections.abc import Iterator

from handgrad.checker.passes.natural import is_natural
from handgrad.checker.report.entries.evidence import NoteEvidence, Remark
from handgrad.text import listed


def kept_factor(evidence: NoteEvidence) -> Iterator[Remark]:
    """A factor that the file keeps in its gradients: all of them, or those of inner nodes."""
    forward, grades = evidence.forward, evidence.grades
    if forward.common != 1 and grades and not is_natural(forward):
        names = (b.name for b in forward.nodes() if b.value is forward.outputs[0])
        loss = next(names, "the loss")
        added = ", and the update adds them" if forward.common < 0 else ""
        message = (
            f"the gradients are {forward.common:.6g} times those of {loss}{added}: a factor "
            f"that all have only changes the learning rate, so they are judged with it."
        )
        source = next((g for g in grades if not g.reads), grades[0])  # where the factor comes in
        yield message, None, source.hand.own_final().statement.place
    scaled = [g for g in grades if forward.factors.get(id(g.hand.node.value), 1) != 1]
    if scaled:
        hands = list(dict.fromkeys(g.hand.name for g in scaled))
        nodes = listed(dict.fromkeys(g.hand.node.name for g in scaled))
        factor = f"{forward.factors[id(scaled[0].hand.node.value)]:.6g} times"
        is_one = len(hands) == 1
        what = f"is {factor} the gradient" if is_one else f"are {factor} the gradients"
        message = (
            f"{listed(hands)} {what} of {nodes}, and the gradients of the parameters make up for "
            f"it: {'it is' if is_one else 'they are'} judged with that factor."
        )
        first = scaled[0].hand
        yield message, first.node.name, first.own_final().statement.place


def natural_loss(evidence: NoteEvidence) -> Iterator[Remark]:
    """The loss that the gradients follow from, where the file computes none."""
    forward, grades = evidence.forward, evidence.grades
    if is_natural(forward) and grades:
        times = "" if forward.common == 1 else f", times {forward.common:.6g}"
        loss = forward.name_of(id(forward.outputs[0]))
        message = (
            f"the file computes no loss: its gradients are judged as those of the summed "
            f"{loss}{times}."
        )
        source = next((g for g in grades if not g.reads), grades[0])  # where the factor comes in
        yield message, None, source.hand.own_final().statement.place
