"""The check of one forward pass: its gradients by hand are judged, explained and reported."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from handgrad.checker.explain.called import with_functions
from handgrad.checker.explain.explain import Explanations, explain
from handgrad.checker.judge.conventions import conventional
from handgrad.checker.judge.grade import Follows, Grade, graded, with_imprecise
from handgrad.checker.judge.repeated import with_repeated
from handgrad.checker.judge.returned import with_returned
from handgrad.checker.judge.unexamined import unexplained, with_unexamined
from handgrad.checker.mishap import Mishaps
from handgrad.checker.pairs.again import chosen
from handgrad.checker.pairs.backward import BackwardReplay
from handgrad.checker.pairs.doubt import without_doubtful
from handgrad.checker.pairs.hands import HandGradient
from handgrad.checker.pairs.pairing import paired
from handgrad.checker.pairs.partial import with_partial
from handgrad.checker.pairs.shares import with_shares
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.truth import Pass, differentiated
from handgrad.checker.record.trace import Bind
from handgrad.checker.records import Note, Place, Row
from handgrad.checker.report.entries.edges import edges_of
from handgrad.checker.report.entries.evidence import NoteEvidence
from handgrad.checker.report.entries.notes import find_notes
from handgrad.checker.report.entries.rows import missing_rows, row_of
from handgrad.text import listed

Edge = tuple[str, str]
SEVERITY = {"missing": 0, "exact": 1, "rounding": 2, "shape": 3, "wrong": 4}


@dataclass(frozen=True)
class Findings:
    """What the report says about one pass."""

    rows: Sequence[Row] = ()
    notes: Sequence[Note] = ()
    edges: Sequence[Edge] = ()
    graded: Sequence[tuple[Pass, Sequence[Grade]]] = ()


def findings_of(
    forward: ForwardPass, hands: Sequence[HandGradient], mishaps: Mishaps, follows: Follows
) -> Findings:
    """Return what `check_pass` finds; an error inside becomes one of the `mishaps`."""
    names = listed(list(dict.fromkeys(hand.name for hand in hands)))
    return mishaps.attempt(
        f"{names} could not be graded",
        lambda: check_pass(forward, hands, mishaps, follows),
        Findings(),
    )


def check_pass(
    forward: ForwardPass,
    hands: Sequence[HandGradient],
    mishaps: Mishaps | None = None,
    follows: Follows = "unknown",
) -> Findings:
    """Judge the gradients by hand of one pass, and explain what is wrong: the check's core.

    `mishaps` collects what fails inside; without it, an error passes on. `follows`: the
    code that may still add to a gradient.
    """
    attempt = _at_once if mishaps is None else mishaps.attempt
    try:
        truth = forward if isinstance(forward, Pass) else differentiated(forward)
    except RuntimeError as error:  # torch's own, of operations that cannot run in float64
        return Findings(notes=[_not_differentiated(forward, error)])
    truth, hands = with_shares(truth, hands)
    pairing = without_doubtful(paired(truth, hands))
    if not pairing.pairs:
        return Findings()
    partial = with_partial(pairing, hands)
    if partial is not hands:
        truth, hands = with_shares(truth, partial)
        pairing = without_doubtful(paired(truth, hands))
    pairing = without_doubtful(conventional(truth, hands, pairing))
    truth = pairing.forward
    main, later = chosen(pairing)
    judged = graded(truth, pairing, follows)
    judged = replace(judged, grades=with_unexamined(truth, judged.grades))
    explanations = attempt("no cause was looked for", lambda: explain(judged), Explanations())
    grades = with_imprecise(judged.grades, explanations.imprecise)
    causes = {number for number, why in explanations.found.items() if why.code is not None}
    grades = with_functions(grades, explanations.in_functions)
    grades = with_repeated(truth, pairing.pairs, grades, causes)
    grades = with_returned(truth, unexplained(truth, grades, causes), causes)
    by_number = {g.hand.number: g for g in grades}
    again = [by_number[pair.number] for pair in later]
    shown = _founded(_shown([by_number[pair.number] for pair in main], again), grades)
    rows = [row_of(g, explanations.found.get(g.hand.number)) for g in shown]
    consumers = judged.cut.consumers

    def notes() -> list[Note]:
        backward = BackwardReplay(truth, pairing.pairs, substitute=False).events()
        return find_notes(NoteEvidence(truth.trace, truth, shown, again, backward))

    rows += attempt(
        "gradients that are not written yet are not listed",
        lambda: missing_rows(truth, shown, consumers),
        [],
    )
    return Findings(
        rows,
        attempt("no notes were made", notes, []),
        attempt("the graph has no edges", lambda: edges_of(truth, shown, consumers), []),
        [(truth, shown)],
    )


def _at_once(what: str, part: Callable[[], Any], otherwise: Any) -> Any:
    return part()


def _founded(shown: list[Grade], grades: Sequence[Grade]) -> list[Grade]:
    """Leave out what inherits an error where no line is to blame: its name has misled."""
    if any(grade.root or grade.fit is not None for grade in grades):
        return shown
    return [grade for grade in shown if grade.verdict != "wrong" or grade.unfinished]


def _shown(main: Sequence[Grade], again: Sequence[Grade]) -> list[Grade]:
    """Return the grades to report, of the main definitions and the later ones."""
    grades = [*main, *(g for g in again if not g.right)]
    outer = {id(g.hand.node.value) for g in grades if not (g.hand.is_local() or g.hand.unnamed)}

    def repeats(grade: Grade) -> bool:
        """Tell whether it is a function's own name (dW), or none, for what its caller has (dW1)."""
        local = grade.hand.is_local() or grade.hand.unnamed
        blamed = grade.root or grade.lucky or (grade.hand.is_local() and not grade.right)
        return local and id(grade.hand.node.value) in outer and not blamed

    named = {id(g.hand.node.value) for g in grades if not g.hand.borrowed}

    def is_news(grade: Grade) -> bool:
        """Tell whether a gradient under a key says more than the name that it has as well."""
        elsewhere = id(grade.hand.node.value) in named
        return not grade.hand.borrowed or not elsewhere or grade.root or grade.fit is not None

    return [g for g in grades if not repeats(g) and is_news(g)]


def _not_differentiated(forward: ForwardPass, error: RuntimeError) -> Note:
    name = next((b.name for b in forward.trace.of(Bind) if b.value is forward.outputs[0]), "a loss")
    reason = str(error).split("\n")[0]
    message = f"the operations that lead to {name} cannot be run again in float64: {reason}"
    return Note("HG215", message, name)


def merged(rows: Sequence[Row]) -> list[Row]:
    """Return each line's gradient once, with its worst verdict: a loop runs it several times."""
    worst: dict[tuple[str | None, str, Place | None], Row] = {}
    for row in rows:
        # a layer's one line serves several nodes
        name = row.hand and re.sub(r"\[-?\d+\]$", "", row.hand)
        key = (name, "" if row.hand else row.node, row.place)
        if key not in worst or SEVERITY[row.verdict] > SEVERITY[worst[key].verdict]:
            worst[key] = row
    written = {row.node for row in worst.values() if row.hand is not None}
    return [r for r in worst.values() if r.hand is not None or r.node not in written]
