"""Verdicts and blame for the gradients by hand of one forward pass."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from handgrad.checker.judge.statements import Blamed, to_blame
from handgrad.checker.pairs.hands import LIKELY, Hand
from handgrad.checker.pairs.sweep import Sweep, Swept
from handgrad.checker.passes.compare import Fit, fits, formula_is_right, judge
from handgrad.checker.passes.find import Pass
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind
from handgrad.checker.records import Verdict


@dataclass
class Grade:
    """What was found out about one gradient by hand."""

    hand: Hand
    verdict: Verdict
    ratio: float | None
    value: Tensor
    fit: Fit | None = None
    """For the right value in the wrong shape: how to mend it."""
    root: bool = False
    blamed: Blamed = field(default_factory=Blamed)
    alias: Statement | None = None
    """The statement that changed it through another name after it was finished."""
    lost_at: int | None = None
    """The event from which on its memory held something else, so that readers cannot be held to
    theirs: an alias changed it, or it shares memory with the forward pass."""
    reads: set[int] = field(default_factory=set)
    halves: set[int] = field(default_factory=set)
    blamed_on: list[Hand] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Nodes computed from this one whose gradients did not go into it."""
    omitted: list[str] = field(default_factory=list)
    """Those of them that send nothing back: their gradient is truly 0."""
    unwritten: bool = False
    """Whether none of those has a gradient by hand so far: the work is unfinished."""
    unfinished: bool = False
    """Right for the branches that it adds; those through `unread` are still to come."""
    lucky: tuple[Tensor, Tensor] | None = None
    """What the line gives, and what is right, for other gradients upstream: right by luck here."""
    unjudged: list[str] = field(default_factory=list)
    """Likely gradients that a line to blame reads and whose tensors have no name: not judged."""
    outcome: Tensor | None = None
    """What its own statements give in float64 when everything upstream is right."""

    @property
    def right(self) -> bool:
        return self.verdict in ("exact", "rounding")


class Grader:
    """Grades the gradients that belong to one pass; `differentiate` has been called on it."""

    def __init__(self, forward: Pass, hands: Sequence[Hand]) -> None:
        self.forward = forward
        self.hands = list(hands)
        self.natural = Sweep(forward, hands, substitute=False).run()
        self.swept = Swept()

    def grades(self) -> list[Grade]:
        """Return a grade for each gradient in the hands' order; `probe` and `settle` are next."""
        found = [self.verdict(hand) for hand in self.hands if hand.node is not None]
        self.swept = Sweep(self.forward, self.hands, substitute=True).run()
        corrections = {}
        for grade in found:
            self._judge_line(grade)
            corrections.update(grade.blamed.corrections)
        if corrections:
            self.swept = Sweep(self.forward, self.hands, True, corrections).run()
            for grade in found:
                if not grade.blamed.corrections:
                    self._judge_line(grade)
        return found

    def settle(self, grades: Sequence[Grade]) -> None:
        """Settle what is merely unfinished, and who inherits from whom. After `probe`."""
        read = {n for g in grades for n in g.reads}
        for grade in grades:
            partial = grade.blamed.added
            if not (grade.root and grade.unwritten) or partial is None:
                continue
            if grade.hand.number not in read:
                self._unfinish(grade, partial)
        self._inherit(grades)
        for grade in grades:
            if grade.root and grade.alias is None:
                grade.unjudged = self._unjudged(grade)

    def _unjudged(self, grade: Grade) -> list[str]:
        forward, judged = self.forward, {h.name for h in self.hands}
        later = (e for e in forward.trace.events[forward.end :] if type(e) is Bind)
        names = {b.name for b in later if LIKELY.fullmatch(b.name)} - judged
        read = re.findall(r"\w+", " ".join(s.text for s in grade.blamed.statements))
        return [name for name in dict.fromkeys(read) if name in names]

    def _unfinish(self, grade: Grade, partial: Tensor) -> None:
        """Judge what is there so far against the branches that it adds."""
        hand = grade.hand
        assert hand.node is not None
        noise, formula = self.forward.noise[hand.node.index], self.natural.values
        formulas = formula.get(hand.final().index)
        grade.verdict, grade.ratio = judge(grade.value, None, partial, noise, formulas)
        grade.root, grade.unfinished, grade.blamed = False, True, Blamed()

    def verdict(self, hand: Hand) -> Grade:
        """Return the verdict on the final value, as the user's run had it."""
        final, at = hand.final(), hand.node
        assert at is not None
        truth, noise = self.forward.truth[at.index], self.forward.noise[at.index]
        value = self.forward.trace.at(final.value, final.index).detach()
        autograd = self.forward.autograd.get(at.index)
        formula = self.natural.values.get(final.index)
        verdict, ratio = judge(value, autograd, truth, noise, formula)
        return Grade(hand, verdict, ratio, value)

    def _judge_line(self, grade: Grade) -> None:
        """Tell whether the gradient's own statements are right, given right gradients upstream."""
        hand = grade.hand
        assert hand.node is not None
        truth, noise = self.forward.truth[hand.node.index], self.forward.noise[hand.node.index]
        outcome = self.swept.outcomes[hand.number]
        grade.reads, grade.outcome = self.swept.reads[hand.number], outcome
        grade.halves = self.swept.halves[hand.number]
        grade.blamed, grade.fit, grade.alias, grade.lost_at = Blamed(), None, None, None
        dtype = grade.value.dtype
        if outcome.shape != truth.shape:
            good = (f for f in fits(outcome, truth.shape)
                    if formula_is_right(f.value, truth, noise, dtype))  # fmt: skip
            grade.fit = next(good, None)
            # Sizes of 1 too many or too few are a slip; a sum or a transpose is a line gone wrong.
            slip = (
                outcome.numel() == truth.numel() and grade.fit and not grade.fit.mend.endswith("T")
            )
            grade.root = not slip
        else:
            grade.root = not formula_is_right(outcome, truth, noise, dtype)
        if grade.root:
            parts = self.forward.parts.get(hand.node.index, [])
            grade.blamed = to_blame(hand, self.swept.changes, parts, truth, noise)
        self._judge_aliases(grade, truth, noise)

    def _judge_aliases(self, grade: Grade, truth: Tensor, noise: Tensor) -> None:
        for bind in grade.hand.binds:
            if not bind.alias or bind.index < grade.hand.own_final().index:
                continue
            value = self.swept.values[bind.index]
            if value.shape != truth.shape:
                continue
            if not formula_is_right(value, truth, noise, grade.value.dtype):
                grade.alias, grade.lost_at = bind.statement, bind.index
                if not grade.root:
                    grade.outcome = value
                grade.root = True
                if bind.statement not in grade.blamed.statements:
                    grade.blamed.statements.append(bind.statement)
                return

    def _inherit(self, grades: Sequence[Grade]) -> None:
        """Settle who inherits from whom; a shape slip is one, even if its value is inherited."""
        by_number = {g.hand.number: g for g in grades}
        for grade in grades:
            if grade.root and grade.hand.number in self.swept.kept:
                grade.lost_at = grade.hand.own_final().index
        for grade in grades:
            upstream = self._upstream(grade, by_number)
            lost = [g for g in upstream if g.root and _reads_after_loss(grade, g)]
            if grade.root and grade.alias is None and lost:
                grade.root = False
                upstream = lost
            if grade.fit is not None:
                grade.verdict = "shape"
            if not grade.root and not grade.right:
                roots = [g for g in upstream if g.root]
                # a slip of shape may spread wrong numbers by broadcasting, though it is no root
                grade.blamed_on = [g.hand for g in roots or upstream if g.root or g.fit]

    def _upstream(self, grade: Grade, by_number: dict[int, Grade]) -> list[Grade]:
        """Return the wrong gradients that went into this one, directly or through others."""
        seen: dict[int, Grade] = {}
        spoilt = {n for n in grade.halves if n in by_number and by_number[n].blamed.corrections}
        todo = [*grade.reads, *spoilt]
        while todo:
            number = todo.pop()
            other = by_number.get(number)
            if other is None or number in seen or other is grade:
                continue
            seen[number] = other
            todo += other.reads
        return [seen[n] for n in sorted(seen)]


def _reads_after_loss(grade: Grade, other: Grade) -> bool:
    """Tell whether a statement of `grade` names `other` after its memory held something else."""
    if other.lost_at is None:
        return False
    name = re.compile(rf"\b{re.escape(other.hand.name)}\b")
    own = [b for b in grade.hand.binds if not b.alias and b.index > other.lost_at]
    if other.alias is not None:  # the writer's own line names it without reading what was lost
        own = [b for b in own if b.statement.place != other.alias.place]
    return any(name.search(b.statement.text) for b in own)
