"""Verdicts and blame for the gradients by hand of one forward pass."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from handgrad.checker.judge.cut import Cut
from handgrad.checker.judge.lines import JudgedLines, Line, judged_lines
from handgrad.checker.judge.probe import Probe, probed
from handgrad.checker.judge.statements import Blame
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.pairs.pairing import Pairing
from handgrad.checker.pairs.verdict import Verdict, verdict_on
from handgrad.checker.passes.compare import Fit, judge
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.gradient_names import LIKELY
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, key_of
from handgrad.checker.records import VerdictName

Follows = Literal["nothing", "unknown", "cells"]
"""What comes after the code that ran: of a notebook that is being written, more cells."""


@dataclass(frozen=True, eq=False)
class Grade:
    """The verdict on one gradient by hand, and who is to blame where it is wrong."""

    hand: Pair
    verdict: VerdictName
    ratio: float | None
    value: Tensor
    """The gradient as the user's run left it."""
    outcome: Tensor
    """What its own statements give in float64 when everything upstream is right."""
    root: bool
    """Whether its own statements are to blame."""
    blamed: Blame
    blamed_on: tuple[Pair, ...]
    """For an inherited error, the gradients that it comes from."""
    reads: frozenset[int]
    """The numbers of the gradients by hand that it is computed from."""
    fit: Fit | None
    """For a correct value in the wrong shape: what corrects it."""
    alias: Statement | None
    """The statement that changed it through another name after it was finished."""
    unread: tuple[str, ...]
    """Nodes computed from its node whose gradients it is not computed from."""
    omitted: tuple[str, ...]
    """The same, where they contribute nothing: their gradient is truly 0."""
    unfinished: bool
    """Correct for the contributions that it adds; those through `unread` are not written yet."""
    lucky: tuple[Tensor, Tensor] | None
    """What the line gives and what is right for random upstream gradients: right by luck here."""
    unjudged: tuple[str, ...]
    """Likely gradients that a line to blame reads and that belong to no named tensor."""

    @property
    def right(self) -> bool:
        return self.verdict in ("exact", "rounding")


@dataclass(frozen=True, eq=False)
class Graded:
    """The grades of one pass in the order of its pairs, and the graph cut at its nodes."""

    forward: Pass
    pairs: Sequence[Pair]
    grades: Sequence[Grade]
    cut: Cut


def graded(forward: Pass, pairing: Pairing, follows: Follows = "unknown") -> Graded:
    """Judge every pair: the value that the user had, then the statements that computed it.

    `follows`: the code that may still add to a gradient.
    """
    pairs, formulas = pairing.pairs, pairing.natural.values
    verdicts = {p.number: verdict_on(forward, p, p.node, formulas) for p in pairs}
    lines = judged_lines(forward, pairs)
    values = {number: verdict.value for number, verdict in verdicts.items()}
    probes = probed(forward, pairs, lines, values)
    states = {
        p.number: _State(
            p, verdicts[p.number], lines.by_number[p.number], probes.by_number[p.number]
        )
        for p in pairs
    }
    read = {n for state in states.values() for n in state.reads}
    ends = [key_of(pair.node.value) for pair in pairs if pair.number not in read]
    if not (follows == "nothing" and set(ends) <= forward.leaves):  # the backward pass is written
        for pair in pairs:
            state, is_read = states[pair.number], pair.number in read
            states[pair.number] = state.settled(is_read, formulas, follows)
    grades = _blamed(states, lines)
    return Graded(forward, pairs, grades, probes.cut)


def with_imprecise(grades: Iterable[Grade], imprecise: Mapping[int, Statement]) -> list[Grade]:
    """Return the grades with the lines blamed that lose too many digits, by the pair's number.

    Such a line is right as a formula. What is wrong and reads it inherits from it.
    """
    by_number = {grade.hand.number: grade for grade in grades}
    for number, statement in imprecise.items():
        source = by_number[number]
        by_number[number] = replace(source, root=True, blamed=source.blamed.also(statement))
        for other in by_number.values():
            inherits = number in other.reads and not (other.root or other.right or other.blamed_on)
            if inherits:
                by_number[other.hand.number] = replace(other, blamed_on=(source.hand,))
    return list(by_number.values())


@dataclass(frozen=True, eq=False)
class _State:
    """One gradient between its verdict and its blame."""

    pair: Pair
    judged: Verdict
    line: Line
    probe: Probe
    unfinished: bool = False

    @property
    def wrong(self) -> bool:
        return self.line.wrong and not self.unfinished and self.probe.reads is None

    @property
    def lacks_sum(self) -> bool:
        """Whether the gradient is right only once it is summed: no slip, but another value."""
        truth = self.pair.forward.truth[self.pair.node.index]
        return self.judged.value.numel() > truth.numel()

    @property
    def reads(self) -> frozenset[int]:
        return self.line.reads if self.probe.reads is None else self.probe.reads

    @property
    def blame(self) -> Blame:
        return self.line.blame if self.wrong else Blame()

    def settled(self, is_read: bool, formulas: Mapping[int, Tensor], follows: Follows) -> "_State":
        """Return it judged on the contributions that it adds, where the others may follow."""
        partial = self.blame.added
        may_follow = self.probe.unwritten or (follows == "cells" and self.probe.unread)
        if not (self.wrong and may_follow) or partial is None or is_read:
            return self
        noise = self.pair.forward.noise[self.pair.node.index]
        formula = formulas.get(self.pair.final().index)
        verdict, ratio = judge(self.judged.value, None, partial, noise, formula)
        return replace(
            self, judged=replace(self.judged, verdict=verdict, ratio=ratio), unfinished=True
        )


def _blamed(states: Mapping[int, _State], lines: JudgedLines) -> list[Grade]:
    """Decide for each gradient whether its own line is to blame or what it inherits from."""
    roots = {number: state.wrong for number, state in states.items()}
    lost_at = {
        number: state.pair.own_final().index
        if roots[number] and number in lines.run.irreplaceable
        else state.line.lost_at
        for number, state in states.items()
    }
    names = _judged_names([state.pair for state in states.values()])
    grades = []
    for number, state in states.items():
        upstream = _upstream(state, states)
        lost = [
            other
            for other in upstream
            if roots[other.pair.number]
            and _reads_after_loss(state.pair, other, lost_at[other.pair.number])
        ]
        if roots[number] and state.line.alias is None and lost:
            roots[number] = False
            upstream = lost
        verdict: VerdictName = "shape" if state.line.fit is not None else state.judged.verdict
        if verdict == "shape" and state.lacks_sum:
            verdict = "wrong"
        blamed_on: tuple[Pair, ...] = ()
        if not roots[number] and verdict not in ("exact", "rounding"):
            culprits = [other for other in upstream if roots[other.pair.number]]
            # a wrong shape may spread wrong numbers by broadcasting, though it is no root
            candidates = culprits or upstream
            blamed_on = tuple(
                o.pair for o in candidates if roots[o.pair.number] or o.line.fit is not None
            )
        grades.append(_grade(state, verdict, roots[number], blamed_on, names))
    return grades


def _grade(
    state: _State, verdict: VerdictName, root: bool, blamed_on: tuple[Pair, ...], judged: set[str]
) -> Grade:
    line, probe = state.line, state.probe
    search = root and line.alias is None
    return Grade(
        hand=state.pair,
        verdict=verdict,
        ratio=state.judged.ratio,
        value=state.judged.value,
        outcome=line.outcome,
        root=root,
        blamed=state.blame,
        blamed_on=blamed_on,
        reads=state.reads,
        fit=line.fit,
        alias=line.alias,
        unread=probe.unread,
        omitted=probe.omitted,
        unfinished=state.unfinished,
        lucky=probe.lucky,
        unjudged=_unjudged(state.pair, state.blame, judged) if search else (),
    )


def _judged_names(pairs: Sequence[Pair]) -> set[str]:
    """Return the names of the gradients, those inside other functions too: `dout` for dh."""
    judged = {id(b.value) for pair in pairs for b in pair.binds}
    binds = pairs[0].forward.trace.of(Bind) if pairs else []
    return {pair.name for pair in pairs} | {b.name for b in binds if id(b.value) in judged}


def _unjudged(pair: Pair, blame: Blame, judged: set[str]) -> tuple[str, ...]:
    """Return the likely gradients in the blamed statements that are not among those judged."""
    forward = pair.forward
    later = (e for e in forward.trace.events[forward.end :] if type(e) is Bind)
    names = {b.name for b in later if LIKELY.fullmatch(b.name)} - judged
    read = re.findall(r"\w+", " ".join(s.text for s in blame.statements))
    return tuple(name for name in dict.fromkeys(read) if name in names)


def _upstream(state: _State, states: Mapping[int, _State]) -> list[_State]:
    """Return the gradients that this one is computed from, directly or through others."""
    found: dict[int, _State] = {}
    corrected = {n for n in state.line.partial_reads if n in states and states[n].blame.corrections}
    todo = [*state.reads, *corrected]
    while todo:
        number = todo.pop()
        other = states.get(number)
        if other is None or number in found or other is state:
            continue
        found[number] = other
        todo += other.reads
    return [found[n] for n in sorted(found)]


def _reads_after_loss(pair: Pair, other: _State, lost_at: int | None) -> bool:
    """Tell whether a statement of `pair` names `other` after its memory held other values."""
    if lost_at is None:
        return False
    value = other.pair.final().value
    named = [b for b in pair.forward.trace.of(Bind) if b.value is value and b.kind == "param"]
    binds = [b for b in pair.binds if not b.alias and b.index > lost_at]
    if other.line.alias is not None:  # the writer's own line names it without reading lost values
        binds = [b for b in binds if b.statement.place != other.line.alias.place]

    def names(bind: Bind) -> set[str]:
        """Return what the gradient is called where the statement stands; of a list, its name."""
        known = {other.pair.name, *(b.name for b in named if b.call is bind.call)}
        return {name.partition("[")[0] for name in known}

    return any(
        re.search(rf"\b{re.escape(name)}\b", b.statement.text) for b in binds for name in names(b)
    )
