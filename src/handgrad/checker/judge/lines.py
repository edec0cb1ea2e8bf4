"""Whether a gradient's own statements are right, given right gradients upstream."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from handgrad.checker.judge.statements import Blame, to_blame
from handgrad.checker.pairs.backward import BackwardReplay, BackwardRun
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.passes.compare import Fit, fits, formula_is_right, shows_in
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.instrument import Statement


@dataclass(frozen=True, eq=False)
class Line:
    """What one gradient's own statements give when everything upstream is right."""

    outcome: Tensor
    """Their value in float64."""
    wrong: bool
    fit: Fit | None
    """For a correct value in the wrong shape: what corrects it."""
    blame: Blame
    alias: Statement | None
    """The statement that changed the gradient through another name after it was finished."""
    lost_at: int | None
    """The event from which on its memory held other values, because of `alias`."""
    reads: frozenset[int]
    """The numbers of the gradients by hand that it is computed from."""
    partial_reads: frozenset[int]
    """Those that it is computed from before they were finished."""


@dataclass(frozen=True, eq=False)
class JudgedLines:
    """The lines of one pass by the number of the pair, and the last replay that they come from."""

    by_number: Mapping[int, Line]
    run: BackwardRun


def judged_lines(forward: Pass, pairs: Sequence[Pair]) -> JudgedLines:
    """Judge every gradient's own statements.

    A half-built gradient whose correct value is clear is corrected for a second replay, so that
    lines that read it before it was finished are judged on their own.
    """
    run = BackwardReplay(forward, pairs, substitute=True).run()
    lines = {pair.number: _line(pair, run) for pair in pairs}
    corrections = {i: v for line in lines.values() for i, v in line.blame.corrections.items()}
    if corrections:
        run = BackwardReplay(forward, pairs, True, corrections).run()
        lines |= {p.number: _line(p, run) for p in pairs if not lines[p.number].blame.corrections}
    return JudgedLines(lines, run)


def _line(pair: Pair, run: BackwardRun) -> Line:
    truth, noise = pair.forward.truth[pair.node.index], pair.forward.noise[pair.node.index]
    outcome, dtype = run.outcomes[pair.number], pair.final().value.dtype
    fit = None
    if outcome.numel() == truth.numel() == 1:
        outcome = outcome.reshape(truth.shape)
    if outcome.shape != truth.shape:
        fit = next(_right_fits(outcome, truth, noise, dtype), None)
        # what broadcasts to the truth is a slip; a sum or a transpose is a wrong line
        wrong = fit is None or outcome.numel() > truth.numel() or fit.correction.endswith("T")
    else:
        wrong = not formula_is_right(outcome, truth, noise, dtype)
    blame = Blame()
    if wrong:
        parts = pair.forward.parts.get(pair.node.index, [])
        blame = to_blame(pair, run.changes, parts, truth, noise)
    alias = lost_at = None
    for written, value, index in _written_through_aliases(pair, run):
        if value.shape == truth.shape and not formula_is_right(value, truth, noise, dtype):
            alias, lost_at = written, index
            if not wrong:
                outcome, wrong = value, True
            if written not in blame.statements:
                blame = blame.also(written)
            break
    return Line(
        outcome,
        wrong,
        fit,
        blame,
        alias,
        lost_at,
        frozenset(run.reads[pair.number]),
        frozenset(run.partial_reads[pair.number]),
    )


def _right_fits(outcome: Tensor, truth: Tensor, noise: Tensor, dtype: torch.dtype) -> Iterator[Fit]:
    for fit in fits(outcome, truth.shape):
        right = formula_is_right(fit.value, truth, noise, dtype)
        if right and shows_in(outcome, truth, noise):
            yield fit


def _written_through_aliases(
    pair: Pair, run: BackwardRun
) -> Iterator[tuple[Statement, Tensor, int]]:
    """Yield what other names wrote into the gradient once it was finished."""
    finished = pair.own_final().index
    for bind in pair.binds:
        if bind.alias and bind.index >= finished:
            yield bind.statement, run.values[bind.index], bind.index
