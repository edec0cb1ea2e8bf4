"""One file being checked: what a runner needs, from the source to the report."""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import torch

from handgrad.checker.explain.explain import explain
from handgrad.checker.judge.grade import Grader
from handgrad.checker.judge.probe import probe
from handgrad.checker.pairs.hands import LIKELY, Hand, find_hands, hand_names
from handgrad.checker.pairs.settle import chosen, settle
from handgrad.checker.pairs.sweep import Sweep
from handgrad.checker.passes.find import Pass, find_passes
from handgrad.checker.record.capture import Recorder
from handgrad.checker.record.instrument import Instrumenter, Statement
from handgrad.checker.record.trace import Bind, Compared
from handgrad.checker.records import CellError, Listing, Note, Place, Row
from handgrad.checker.report.build.edges import edges_of
from handgrad.checker.report.build.notes import Evidence, find_notes
from handgrad.checker.report.build.rows import missing_rows, row_of
from handgrad.checker.report.build.shuffles import unread_shuffles
from handgrad.checker.report.build.unwritten import unwritten
from handgrad.checker.report.report import Report
from handgrad.errors import CheckError

Edge = tuple[str, str]
Choice = Callable[[list[Hand]], list[Hand]]
NO_GRADIENT = "nothing to check: no gradient is written by hand"


class Session:
    """`transform` each cell, run it under `recording` with `hook` in its names, then `finish`.

    `pairs` says whose gradient a name is where its name does not: {"dh": "a"}. `max_steps` is how
    many whole steps of a training loop are recorded (2 where None); the rest of the loop runs
    unrecorded.
    """

    def __init__(
        self, pairs: Mapping[str, str] | None = None, max_steps: int | None = None
    ) -> None:
        self.pairs = dict(pairs or {})
        self.statements: list[Statement] = []
        self.recorder = Recorder(self.statements, max_steps)
        self.sources: list[tuple[int | None, str]] = []

    @property
    def hook(self) -> object:
        """What `__handgrad__` must stand for in the names that the code runs under."""
        return self.recorder

    def transform(self, tree: ast.Module, cell: int | None, source: str) -> ast.Module:
        """Return `tree` with the hooks in it, changed in place. `source` is what it was made of."""
        self.sources.append((cell, source))
        return Instrumenter(self.statements, cell, source).module(tree)

    def recording(self) -> AbstractContextManager[None]:
        """Record what runs inside; once around each cell's execution."""
        return self.recorder.recording()

    def finish(
        self, file: str, errors: Sequence[CellError] = (), only: Choice | None = None
    ) -> Report:
        """Grade what was recorded. Raises CheckError, one line, where there is nothing to grade.

        `only` picks the gradients to grade from those found; None: all of them.
        """
        with torch._C.DisableTorchFunction(), torch.enable_grad():
            rows, notes, edges = self._graded(file, only or list)
        listings = self._listings(rows)
        return Report(file, tuple(rows), tuple(notes), tuple(errors), tuple(edges), listings)

    def _graded(self, file: str, only: Choice) -> tuple[list[Row], list[Note], list[Edge]]:
        passes = self._passes(file)
        hands = only(find_hands(self.recorder.trace, passes, self.pairs))
        rows, notes = [], unread_shuffles(self.sources) + self._unseen() + self._unpaired()
        edges: list[Edge] = []
        for forward in passes:
            own = [h for h in hands if h.forward is forward]
            found, said, drawn = graded(forward, own) if own else ([], [], [])
            rows += found
            notes += said
            edges += drawn
        if not any(row.hand for row in rows):
            rows = unwritten(passes, [source for _, source in self.sources])
        if not rows:
            why = next((n.message for n in notes if n.code in ("HG215", "HG218")), NO_GRADIENT)
            raise CheckError(f"{file}: {why}")
        return merged(rows), list(dict.fromkeys(notes)), list(dict.fromkeys(edges))

    def _listings(self, rows: Sequence[Row]) -> tuple[Listing, ...]:
        """Return the sources that the rows' statements stand in."""
        told = {(row.place, row.statement) for row in rows}
        own = (s for s in self.statements if s.source and (s.place, s.text) in told)
        return tuple(dict.fromkeys(Listing(s.place.cell, s.source) for s in own))

    def _passes(self, file: str) -> list[Pass]:
        trace = self.recorder.trace
        names = {b.name for b in trace.of(Bind) if b.kind != "param"}
        nodes = hand_names(names, self.pairs)
        try:
            passes = find_passes(trace, nodes)
        except CheckError as error:  # which one is the loss matters to gradients by hand alone
            by_hand = nodes or trace.of(Compared) or any(LIKELY.fullmatch(name) for name in names)
            raise CheckError(f"{file}: {error if by_hand else NO_GRADIENT}") from error
        if not passes:
            raise CheckError(f"{file}: nothing to check: no loss was computed from named tensors")
        return passes

    def _unseen(self) -> list[Note]:
        """What of the file's run could not be watched, if anything."""
        failures = list(dict.fromkeys(self.recorder.failures))
        text = "part of this file could not be watched, and is not graded: {}"
        return [Note("HG216", text.format(failures[0]))] if failures else []

    def _unpaired(self) -> list[Note]:
        """What was named as a pair and is no tensor's name."""
        names = {b.name for b in self.recorder.trace.of(Bind)}
        return [
            Note("HG218", f"the pair {hand}={node}: no tensor is named {name}")
            for hand, node in self.pairs.items()
            for name in (hand, node)
            if name not in names
        ]


def graded(forward: Pass, hands: list[Hand]) -> tuple[list[Row], list[Note], list[Edge]]:
    """Return the rows and the notes of one pass, and its graph."""
    try:
        forward.differentiate()
    except RuntimeError as error:  # torch's own, of operations that cannot run in float64
        return [], [_ungraded(forward, error)], []
    grader = Grader(forward, hands)
    settle(grader)
    main, later = chosen(grader, grader.hands)
    if not grader.hands:
        return [], [], []
    grades = grader.grades()
    cut = probe(grader, grades)
    grader.settle(grades)
    by_number = {g.hand.number: g for g in grades}
    shown = [by_number[h.number] for h in main]
    again = [by_number[h.number] for h in later]
    shown += [g for g in again if not g.right]
    # a function's own name for it (dW) repeats its caller's (dW1): only to be named for blame
    outer = {id(g.hand.node.value) for g in shown if g.hand.node and not g.hand.is_local()}
    shown = [
        g
        for g in shown
        if not (g.hand.is_local() and g.right and g.hand.node and id(g.hand.node.value) in outer)
        or g.lucky
    ]
    # under a key, a gradient is of interest only if the key is another's
    shown = [g for g in shown if not g.hand.borrowed or g.root or g.fit]
    backward = Sweep(forward, grader.hands, substitute=False).events()
    causes = explain(grader, grades, cut)
    notes = find_notes(Evidence(forward.trace, forward, shown, again, backward))
    rows = [row_of(g, causes.get(g.hand.number)) for g in shown]
    rows += missing_rows(forward, shown, cut.consumers)
    return rows, notes, edges_of(forward, shown, cut.consumers)


def _ungraded(forward: Pass, error: RuntimeError) -> Note:
    name = next((b.name for b in forward.trace.of(Bind) if b.value is forward.outputs[0]), "a loss")
    why = str(error).split("\n")[0]
    return Note("HG215", f"the way to {name} cannot be run again in float64: {why}", name)


def merged(rows: Sequence[Row]) -> list[Row]:
    """Return each line's gradient once, as it came out worst: a loop passes it several times."""
    worst: dict[tuple[str | None, str, Place | None], Row] = {}
    for row in rows:
        key = (row.hand, row.node.split("[")[0], row.place)
        if key not in worst or _SEVERITY[row.verdict] > _SEVERITY[worst[key].verdict]:
            worst[key] = row
    written = {row.node for row in worst.values() if row.hand is not None}
    return [r for r in worst.values() if r.hand is not None or r.node not in written]


_SEVERITY = {"missing": 0, "exact": 1, "rounding": 2, "shape": 3, "wrong": 4}


def has_hand_gradients(source: str) -> bool:
    """Tell, without running it, whether a file names a gradient by hand: `dh` beside `h`.

    Works on code that Python alone cannot parse (magics), line by line.
    """
    names: set[str] = set()
    for line in source.split("\n"):
        target = re.match(
            r"\s*(?:def \w+\()?([\w\s,.\[\]:'\"]+?)\s*(?:[-+*/@|&]|\*\*|//)?=[^=]", line
        )
        if target:
            names.update(re.findall(r"[A-Za-z_]\w*", target[1]))
        names.update(re.findall(r"\bfor\s+(\w+)\b|\bdef\s+\w+\(([^)]*)\)", line) and _bound(line))
    return bool(hand_names(names)) or bool(_COMPARED.search(source))


_COMPARED = re.compile(r"\w+\(\s*(['\"])\w+\1\s*,\s*(?:d|grad_?)\w+\s*,\s*\w+(?:\.grad)?\s*\)")


def _bound(line: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", line))
