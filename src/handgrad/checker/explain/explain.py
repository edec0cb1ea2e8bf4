"""For every gradient to blame: the first cause that holds, and the corrected line."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from handgrad.checker.explain.above import binds_above, lines_above
from handgrad.checker.explain.called import InFunction, called_names, in_functions, site_of, words
from handgrad.checker.explain.causes import AS_IT_RAN, CAUSES, LATE, Cause, softmax_cross_entropy
from handgrad.checker.explain.elsewhere import writers
from handgrad.checker.explain.others import other_statements
from handgrad.checker.explain.search.finding import Explanation, Finding
from handgrad.checker.explain.search.gather import suspects
from handgrad.checker.explain.search.probabilities import of_probabilities
from handgrad.checker.explain.search.scene import BackwardContext, Scene, SceneReplay
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unexplained import unexplained
from handgrad.checker.explain.search.written import with_line
from handgrad.checker.judge.cut import Cut
from handgrad.checker.judge.grade import Grade, Graded
from handgrad.checker.judge.probe import random_gradients
from handgrad.checker.judge.statements import grouped
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.instrument import Statement
from handgrad.checker.write.dialect import in_numpy

LONG = 20_000
"""In a file with more events (a loop over elements) no corrected line is run in the user's dtype to
see whether it is exact."""


@dataclass(frozen=True)
class Explanations:
    """What explains the gradients to blame, by the number of the pair.

    `imprecise` are the statements that are right as formulas and lose too many digits.
    """

    found: Mapping[int, Explanation] = field(default_factory=dict)
    imprecise: Mapping[int, Statement] = field(default_factory=dict)
    in_functions: Sequence[InFunction] = ()


def explain(graded: Graded) -> Explanations:
    """Explain the gradients to blame, and wrong values whose lines are right. Never raises."""
    grades = graded.grades
    roots = [g for g in grades if g.root or g.fit is not None or g.lucky is not None]
    unblamed = _right_formulas(grades)
    if not roots and not unblamed:
        return Explanations()
    calling = _calling(grades, roots)
    backward = _backward(graded, [*roots, *unblamed, *calling])
    found: dict[int, Explanation] = {}
    imprecise: dict[int, Statement] = {}
    for grade in unblamed:
        for suspect in suspects(grade, backward):
            finding = AS_IT_RAN.find(suspect) if suspect.views else None
            if finding is not None:
                found[grade.hand.number] = _checked(suspect, AS_IT_RAN.code, finding)
                imprecise[grade.hand.number] = suspect.statement
                break
    blamed = _blamed_functions(roots, calling, backward)
    moved = {number for line in blamed for number in line.numbers}
    found |= {line.numbers[0]: line.explanation for line in blamed}
    for grade in roots:
        if grade.hand.number in moved:
            continue
        explanation = _of_call(grade, backward) or _first(list(suspects(grade, backward)))
        if explanation is not None:
            found[grade.hand.number] = explanation
    above = _lines_above(grades, found, backward)
    found |= {line.numbers[0]: line.explanation for line in above}
    others = _other_statements([g for g in roots if g.root], found, backward)
    found |= {line.numbers[0]: line.explanation for line in others}
    written = writers(graded.forward, roots, found)
    for line in written:
        found = {n: why for n, why in found.items() if n not in line.numbers[1:]}
    return Explanations(found, imprecise, [*blamed, *above, *others, *written])


def _blamed_functions(
    roots: Sequence[Grade], calling: Sequence[Grade], backward: BackwardContext
) -> Sequence[InFunction]:
    """Return the lines inside functions that are to blame; none if looking for them raises."""
    try:
        return in_functions([g for g in roots if g.root], calling, backward, in_function)
    except Exception:
        return ()


def _other_statements(
    roots: Sequence[Grade], found: Mapping[int, Explanation], backward: BackwardContext
) -> Sequence[InFunction]:
    """Return the other statements to blame; none if looking for them raises."""
    try:
        return other_statements(roots, found, backward, in_function)
    except Exception:
        return ()


def _lines_above(
    grades: Sequence[Grade], found: Mapping[int, Explanation], backward: BackwardContext
) -> Sequence[InFunction]:
    """Return the lines above that are to blame; none if looking for them raises."""
    try:
        return lines_above(grades, found, backward, in_function)
    except Exception:
        return ()


def _of_call(grade: Grade, backward: BackwardContext) -> Explanation | None:
    """Explain a line that calls the user's own function by an edit of the call."""
    try:
        site = site_of(grade, backward)
    except Exception:
        return None
    explanation = None if site is None else in_function(site.suspect, True)
    if site is None or explanation is None:
        return None
    # a factor around the call would hide the mistake
    fix = explanation.finding.fix or ""
    return explanation if len(words(fix)) <= len(words(site.suspect.statement.text)) else None


def _calling(grades: Sequence[Grade], roots: Sequence[Grade]) -> list[Grade]:
    """Return the correct gradients that are computed with the functions that the roots call."""
    texts = [s.text for g in roots for s, _ in grouped(g.hand)]
    names = {name for text in texts for name in called_names(text)}
    return [
        grade
        for grade in grades
        if grade.right
        and not grade.root
        and names.intersection(called_names(grade.hand.own_final().statement.text))
    ]


def in_function(suspect: Suspect, edits_only: bool) -> Explanation | None:
    """Explain one line of a function that was called, if a corrected line is known."""
    for cause in CAUSES if suspect.views else ():
        finding = _found(cause, suspect)
        if finding is None:
            continue
        if finding.fix is None and not edits_only:
            finding = with_line(suspect, finding)
        if finding.fix is not None and finding.at is None:
            return _checked(suspect, cause.code, finding)
        if not edits_only:
            return None
    return None if edits_only else _checked(suspect, None, with_line(suspect, unexplained(suspect)))


def _first(statements: Sequence[Suspect]) -> Explanation | None:
    """Return the explanation of the first statement that has one, preferably with a line."""
    first = None
    for suspect in statements:
        explanation = explained(suspect)
        if explanation is None:
            continue
        finding = explanation.finding
        if suspect is not statements[0] and finding.fix is not None and finding.at is None:
            # the report shows the first statement: say where the corrected line belongs
            finding = replace(finding, at=suspect.statement.place)
            explanation = replace(explanation, finding=finding)
        if finding.fix is not None:
            return explanation
        first = first or explanation
    return first


def _right_formulas(grades: Sequence[Grade]) -> list[Grade]:
    """Return the wrong gradients whose lines, and everything that these read, are right."""
    right = {g.hand.number: g.right for g in grades}
    return [
        g
        for g in grades
        if g.verdict == "wrong"
        and not (g.root or g.blamed_on or g.hand.borrowed)
        and all(right.get(n, True) for n in g.reads)
    ]


def explained(suspect: Suspect) -> Explanation | None:
    """Return the first cause that holds for one statement."""
    several = len(suspect.grade.blamed.statements) > 1 or bool(suspect.grade.unjudged)
    if not suspect.views:
        return None  # its names were not recorded
    for cause in (*CAUSES, *LATE):
        finding = _found(cause, suspect)
        if finding is not None:
            return _checked(suspect, cause.code, with_line(suspect, finding))
    closed = None if several else _closed(suspect)
    if closed is not None:
        return _checked(suspect, softmax_cross_entropy.CODE, closed)
    if suspect.grade.root and not several:
        return _checked(suspect, None, with_line(suspect, unexplained(suspect)))
    return None


def _closed(suspect: Suspect) -> Finding | None:
    """Return the closed form of softmax and cross-entropy, where that is the correct gradient."""
    try:
        return of_probabilities(suspect)
    except Exception:
        return None


def _found(cause: Cause, suspect: Suspect) -> Finding | None:
    """Ask one cause. If it raises, it does not hold: the verdicts must not depend on it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # candidate lines may warn; nobody wrote them
            return cause.find(suspect)
    except Exception:
        return None


def _checked(suspect: Suspect, code: str | None, finding: Finding) -> Explanation:
    checked = None if finding.fix is None else suspect.checked(finding)
    return Explanation(code, _worded(suspect, finding), checked)


def _worded(suspect: Suspect, finding: Finding) -> Finding:
    """Return the finding in NumPy's words where the user's program has them."""
    if not suspect.scope.of_arrays:
        return finding
    alias = suspect.scope.numpy_name()
    fix = None if finding.fix is None else in_numpy(finding.fix, alias)
    message = finding.message
    if message is not None:
        message = _CODE.sub(lambda code: f"`{in_numpy(code[1], alias)}`", message)
    return replace(finding, fix=fix, message=message)


_CODE = re.compile(r"`([^`]+)`")


def _backward(graded: Graded, to_explain: Sequence[Grade]) -> BackwardContext:
    """Run the backward pass in the scenes in which statements are tried."""
    forward, pairs, cut = graded.forward, graded.pairs, graded.cut
    corrections: dict[int, Tensor] = {}
    for grade in graded.grades:
        corrections.update(grade.blamed.corrections)
    # of a statement in a loop, the first and the last execution are enough
    groups = [binds for g in to_explain for _, binds in grouped(g.hand)]
    wanted = {b.index for binds in groups for b in (binds[0], binds[-1])}
    wanted |= {g.hand.own_final().index for g in to_explain}

    watched = binds_above(graded.grades)

    def scene(truth: Mapping[int, Tensor] | None, dtype: torch.dtype | None) -> Scene:
        replay = SceneReplay(forward, pairs, wanted, corrections, truth, dtype, watched)
        replay.run()
        return replay.scene

    random = random_gradients(forward, pairs)
    scenes = (scene(None, torch.float64), scene(random, torch.float64))
    nodes = {p.node.index for p in pairs}
    native = None
    if len(forward.trace) <= LONG and nodes <= forward.autograd.keys():
        native = scene(forward.autograd, None)
    by_node = {id(p.node.value): p for p in pairs if not p.borrowed}
    drawn = {id(p.node.value): random[p.node.index] for p in pairs}
    sent = _sent(forward, cut, drawn)
    return BackwardContext(forward, scenes, native, drawn, sent, cut.consumers, by_node)


def _sent(
    forward: Pass, cut: Cut, drawn: Mapping[int, Tensor]
) -> dict[int, dict[int, tuple[Tensor, ...]]]:
    """Return what each consumer contributes to each node: for true gradients, and random ones."""
    true = {
        id(b.value): forward.truth[b.index] for b in forward.nodes() if b.index in forward.truth
    }
    found: dict[int, dict[int, tuple[Tensor, ...]]] = {}
    for consumer in dict.fromkeys(c for made in cut.consumers.values() for c in made):
        if consumer not in true:
            continue
        upstream = (true[consumer], drawn.get(consumer))
        sent = [cut.sent_back({consumer: value}) for value in upstream if value is not None]
        for node in sent[0]:
            found.setdefault(node, {})[consumer] = tuple(s[node] for s in sent if node in s)
    for number, part in forward.parts_of.items():
        inside = cut.within(part.number, part.within)
        found[number] = {
            consumer: tuple(value * part.factor for value in values)
            for consumer, values in found.get(part.number, {}).items()
            if consumer in inside
        }
    return found
