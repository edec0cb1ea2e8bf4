"""Every gradient to blame in turn: the first cause that holds, and the corrected line."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from handgrad.checker.explain.causes import AS_IT_RAN, CAUSES, Cause
from handgrad.checker.explain.search.evidence import BackwardContext
from handgrad.checker.explain.search.finding import Explanation, Finding
from handgrad.checker.explain.search.gather import suspects
from handgrad.checker.explain.search.scene import Scene, SceneSweep
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unexplained import unexplained
from handgrad.checker.explain.search.written import with_line
from handgrad.checker.judge.grade import Grade, Grader
from handgrad.checker.judge.probe import Cut, random_gradients
from handgrad.checker.judge.statements import grouped
from handgrad.checker.passes.find import Pass

LONG = 20_000
"""Of a file with more events (a loop over elements), no run is spent on whether a corrected line is
right to the last bit."""


def explain(grader: Grader, grades: Sequence[Grade], cut: Cut) -> dict[int, Explanation]:
    """Return what is the matter with the gradients to blame, by Hand.number. Never raises."""
    roots = [g for g in grades if g.root or g.fit is not None or g.lucky is not None]
    plain = _as_it_ran(grades)
    if not roots and not plain:
        return {}
    backward = _backward(grader, grades, [*roots, *plain], cut)
    found: dict[int, Explanation] = {}
    for grade in plain:
        _short_of_digits(grade, grades, backward, found)
    for grade in roots:
        explanation = _first(list(suspects(grade, backward)))
        if explanation is not None:
            found[grade.hand.number] = explanation
    return found


def _first(given: Sequence[Suspect]) -> Explanation | None:
    """Return the explanation of the first statement that has one, rather one with a line."""
    found = None
    for suspect in given:
        explanation = explained(suspect)
        if explanation is None:
            continue
        finding = explanation.finding
        if suspect is not given[0] and finding.fix is not None and finding.at is None:
            at = replace(finding, at=suspect.statement.place)  # the report shows the first of them
            explanation = replace(explanation, finding=at)
        if finding.fix is not None:
            return explanation
        found = found or explanation
    return found


def _as_it_ran(grades: Sequence[Grade]) -> list[Grade]:
    """Return the wrong gradients whose lines are right, and all that these read."""
    right = {g.hand.number: g.right for g in grades}
    return [
        g for g in grades
        if g.verdict == "wrong" and not (g.root or g.blamed_on or g.hand.borrowed)
        and all(right.get(n, True) for n in g.reads)
    ]  # fmt: skip


def _short_of_digits(
    grade: Grade, grades: Sequence[Grade], backward: BackwardContext, found: dict[int, Explanation]
) -> None:
    """Blame the line that keeps too few digits, and have the rest inherit from it."""
    for suspect in suspects(grade, backward):
        finding = AS_IT_RAN.find(suspect) if suspect.views else None
        if finding is not None:
            found[grade.hand.number] = _checked(suspect, AS_IT_RAN.code, finding)
            grade.root = True
            grade.blamed.statements.append(suspect.statement)
            for other in grades:
                if grade.hand.number in other.reads and not (other.root or other.right):
                    other.blamed_on = other.blamed_on or [grade.hand]
            return


def explained(suspect: Suspect) -> Explanation | None:
    """Return the first cause that holds."""
    several = len(suspect.grade.blamed.statements) > 1 or bool(suspect.grade.unjudged)
    if not suspect.views:
        return None  # what its names stood for is not known
    for cause in CAUSES:
        finding = _found(cause, suspect)
        if finding is not None:
            return _checked(suspect, cause.code, with_line(suspect, finding))
    if suspect.grade.root and not several:
        return _checked(suspect, None, with_line(suspect, unexplained(suspect)))
    return None


def _found(cause: Cause, suspect: Suspect) -> Finding | None:
    """What goes wrong in a cause must not take the verdicts with it: then it does not hold."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about lines that nobody wrote
            return cause.find(suspect)
    except Exception:
        return None


def _checked(suspect: Suspect, code: str | None, finding: Finding) -> Explanation:
    checked = None if finding.fix is None else suspect.checked(finding)
    return Explanation(code, finding, checked)


def _backward(
    grader: Grader, grades: Sequence[Grade], roots: Sequence[Grade], cut: Cut
) -> BackwardContext:
    forward, hands = grader.forward, grader.hands
    corrections: dict[int, Tensor] = {}
    for grade in grades:
        corrections.update(grade.blamed.corrections)
    # of what a loop ran often, the first and the last time will do
    groups = [binds for g in roots for _, binds in grouped(g.hand)]
    wanted = {b.index for binds in groups for b in (binds[0], binds[-1])}
    wanted |= {g.hand.own_final().index for g in roots}

    def scene(truth: Mapping[int, Tensor] | None, dtype: torch.dtype | None) -> Scene:
        sweep = SceneSweep(forward, hands, wanted, corrections, truth, dtype)
        sweep.run()
        return sweep.scene

    random = random_gradients(forward, hands)
    scenes = (scene(None, torch.float64), scene(random, torch.float64))
    owned = {h.node.index for h in hands if h.node is not None}
    short = len(forward.trace) <= LONG
    whole = short and owned <= forward.autograd.keys()
    native = scene(forward.autograd, None) if whole else None
    by_node = {id(h.node.value): h for h in hands if h.node is not None and not h.borrowed}
    drawn = {id(h.node.value): random[h.node.index] for h in hands if h.node is not None}
    sent = _sent(forward, cut, drawn)
    return BackwardContext(forward, scenes, native, drawn, sent, cut.consumers, by_node)


def _sent(
    forward: Pass, cut: Cut, drawn: Mapping[int, Tensor]
) -> dict[int, dict[int, tuple[Tensor, ...]]]:
    """Return what each consumer sends each node: for the true gradients, and for random ones."""
    true = {
        id(b.value): forward.truth[b.index] for b in forward.nodes() if b.index in forward.truth
    }
    found: dict[int, dict[int, tuple[Tensor, ...]]] = {}
    for consumer in dict.fromkeys(c for made in cut.consumers.values() for c in made):
        if consumer not in true:
            continue
        upstream = (true[consumer], drawn.get(consumer))
        sent = [cut.sent_back({consumer: own}) for own in upstream if own is not None]
        for node, value in sent[0].items():
            values = (value, *(s[node] for s in sent[1:] if node in s))
            found.setdefault(node, {})[consumer] = values
    return found
