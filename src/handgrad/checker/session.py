"""One file being checked: what a runner needs, from the source to the report."""

import ast
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import torch

from handgrad.checker.check import Findings, findings_of, merged
from handgrad.checker.judge.grade import Follows, Grade
from handgrad.checker.mishap import Mishaps
from handgrad.checker.pairs.calls import Leads, find_leads
from handgrad.checker.pairs.hands import HandGradient
from handgrad.checker.pairs.losses import hands_by_loss
from handgrad.checker.passes.find import find_passes
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.natural import add_natural, is_natural, with_natural
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.call import Update
from handgrad.checker.record.capture import Recorder
from handgrad.checker.record.entering import entering, uses_numpy
from handgrad.checker.record.gradient_names import hand_names
from handgrad.checker.record.instrument import Instrumenter, Statement
from handgrad.checker.record.rest import Rest, running
from handgrad.checker.record.source_names import has_hand_gradients as has_hand_gradients
from handgrad.checker.record.source_names import may_have_gradients as may_have_gradients
from handgrad.checker.record.trace import Bind
from handgrad.checker.records import CellError, Listing, Note, Row
from handgrad.checker.report.entries.shuffles import unread_shuffles
from handgrad.checker.report.entries.training import not_reset, without_grown
from handgrad.checker.report.entries.unreached import with_shapes, with_unreached
from handgrad.checker.report.entries.unwritten import unwritten
from handgrad.checker.report.report import Report
from handgrad.errors import CheckError

Choice = Callable[[list[HandGradient]], list[HandGradient]]
NO_LOSS = "nothing to check: no loss was computed from named tensors"
REASONS = ("HG215", "HG218", "HG220")
"""Codes of notes that say why nothing was graded."""
NO_GRADIENT = "nothing to check: no gradient is written by hand"


class Session:
    """`transform` each cell, run it under `recording` with `hook` in its names, then `finish`.

    `pairs` maps names of gradients to the tensors that they belong to, where their names do not
    show it: {"dh": "a"}. `max_steps` is how many whole steps of a training loop are recorded (2
    where None); the other iterations run unrecorded.
    """

    def __init__(
        self, pairs: Mapping[str, str] | None = None, max_steps: int | None = None
    ) -> None:
        self.pairs = dict(pairs or {})
        self.statements: list[Statement] = []
        self.recorder = Recorder(self.statements, max_steps)
        self.sources: list[tuple[int | None, str]] = []
        self._modules: dict[str, tuple[str, str]] = {}
        """The file's own modules by their path: the name in the report, and the source."""
        self.graded: list[tuple[Pass, Sequence[Grade]]] = []
        """The grades of each pass, once `finish` has judged them."""
        self._uses_numpy = False
        self._rest: Rest | None = None

    @property
    def hook(self) -> object:
        """The object that instrumented code calls; bind it to the name `__handgrad__`."""
        return self.recorder

    def transform(self, tree: ast.Module, cell: int | None, source: str) -> ast.Module:
        """Return `tree` with the hooks in it, changed in place. It was parsed from `source`."""
        self.sources.append((cell, source))
        self._uses_numpy = self._uses_numpy or uses_numpy(tree)
        return self._hooked(tree, cell, source, self._uses_numpy)

    def follow(self, tree: ast.Module, name: str, source: str, path: str) -> ast.Module:
        """Do the same for a module that the file imports; the report calls it `name`."""
        self._modules[path] = name, source
        return self._hooked(tree, name, source, uses_numpy(tree))

    def _hooked(
        self, tree: ast.Module, cell: int | str | None, source: str, arrays: bool
    ) -> ast.Module:
        tree = Instrumenter(self.statements, cell, source).module(tree)
        if not arrays:
            return tree
        self.recorder.expect_arrays()
        return entering(tree)

    def leave_when_done(self, cells: Sequence[tuple[int | None, str]]) -> None:
        """Leave the file once nothing that is still to run of `cells` computes a gradient."""
        self._rest = Rest(cells, self.pairs)
        self.recorder.leaves = self._leaves

    @property
    def left(self) -> bool:
        """Whether the file was left before its end."""
        return self.recorder.enough

    def _leaves(self, loop: Statement) -> bool:
        assert self._rest is not None
        reached = {self.statements[number].place for number in self.recorder.reached}
        try:
            begun = [*self._modules.values(), *self.sources]
            stack = running({path: name for path, (name, _) in self._modules.items()})
            return not self._rest.needed(begun, loop.place, stack, reached)
        except RecursionError:  # a very long expression
            return False

    def recording(self) -> AbstractContextManager[None]:
        """Record what runs inside; once around each cell's execution."""
        return self.recorder.recording()

    def finish(
        self, file: str, errors: Sequence[CellError] = (), only: Choice | None = None
    ) -> Report:
        """Judge what was recorded. Raises CheckError, one line, where there is nothing to judge.

        `only` picks the gradients to judge from those found; None: all of them.
        """
        with torch._C.DisableTorchFunction(), torch.enable_grad():
            follows: Follows = "cells" if only is not None else "unknown" if errors else "nothing"
            findings = self._findings(file, only, follows)
        ran = {bind.statement for bind in self.recorder.trace.of(Bind)}
        shapes = self.recorder.trace.shapes
        reached = with_unreached(findings.rows, self.statements, ran, errors, shapes)
        rows, notes = tuple(reached), tuple(findings.notes)
        errors = with_shapes(errors, rows, self.statements, shapes)
        listings = self._listings(rows)
        return Report(file, rows, notes, tuple(errors), tuple(findings.edges), listings)

    def _findings(self, file: str, only: Choice | None, follows: Follows) -> Findings:
        passes, leads = self._passes(file, only is None)
        try:
            hands = hands_by_loss(self.recorder.trace, passes, self.pairs, leads)
            hands = hands if only is None else only(hands)
        except CheckError as error:
            raise CheckError(f"{file}: {error}") from error
        rows: list[Row] = []
        notes = unread_shuffles(self._read()) + self._unrecorded() + self._unpaired()
        notes += (grown := not_reset(self.recorder.trace))
        edges: list[tuple[str, str]] = []
        mishaps = Mishaps()
        for forward in sorted({hand.forward for hand in hands}, key=lambda p: p.end):
            of_pass = [hand for hand in hands if hand.forward is forward]
            findings = findings_of(forward, of_pass, mishaps, follows)
            rows += findings.rows
            notes += findings.notes
            edges += findings.edges
            self.graded += findings.graded
        if not any(row.hand for row in rows):
            own = [p for p in passes if not is_natural(p)]
            sources = [source for _, source in self.sources]
            rows = mishaps.attempt(
                "gradients that are not written yet are not listed",
                lambda: unwritten(own, sources),
                [],
            )
            if not own:
                raise CheckError(f"{file}: {NO_LOSS}")
        notes += mishaps.notes
        if not rows:
            reason = next((n.message for n in notes if n.code in REASONS), NO_GRADIENT)
            raise CheckError(f"{file}: {reason}")
        return Findings(
            without_grown(merged(rows), grown),
            list(dict.fromkeys(notes)),
            list(dict.fromkeys(edges)),
        )

    def _read(self) -> list[tuple[int | None, str]]:
        """Return the cells that ran, and those that did not as the file was left."""
        rest = self._rest.to_run(self.sources[-1][0]) if self._rest and self.left else []
        return [*self.sources, *rest]

    def _listings(self, rows: Sequence[Row]) -> tuple[Listing, ...]:
        """Return the sources of the rows' statements."""
        shown = {(row.place, row.statement) for row in rows}
        statements = (s for s in self.statements if s.source and (s.place, s.text) in shown)
        return tuple(dict.fromkeys(Listing(s.place.cell, s.source) for s in statements))

    def _passes(self, file: str, finished: bool) -> tuple[list[ForwardPass], Leads]:
        """Return the passes, and what the calls tell.

        Of a file that is finished and has no loss, natural losses count as well.
        """
        trace = self.recorder.trace
        names = [b.name for b in trace.of(Bind) if b.kind != "param"]
        nodes = hand_names(names, self.pairs)
        natural = finished and bool(nodes or trace.of(Update)) and add_natural(trace, nodes)
        leads = find_leads(trace)  # before the passes: it gives tensors names
        passes = with_natural(trace, nodes) if natural else find_passes(trace, nodes)
        if not passes:
            raise CheckError(f"{file}: {NO_LOSS}")
        return passes, leads

    def _unrecorded(self) -> list[Note]:
        """Return a note on a failure of the recording, if there was one."""
        failures = list(dict.fromkeys(self.recorder.failures))
        text = "part of this file could not be recorded and is not judged: {}"
        return [Note("HG216", text.format(failures[0]))] if failures else []

    def _unpaired(self) -> list[Note]:
        """Return a note on each name in `pairs` that no tensor has."""
        names = {b.name for b in self.recorder.trace.of(Bind)}
        return [
            Note("HG218", f"the pair {hand}={node}: no tensor is named {name}")
            for hand, node in self.pairs.items()
            for name in (hand, node)
            if name not in names
        ]
