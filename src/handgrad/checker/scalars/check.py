"""The scalar engines of a file: rows for each rule of each operation."""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handgrad.checker import records
from handgrad.checker.records import CellError, Listing, Note, Row
from handgrad.checker.report.report import Report
from handgrad.checker.scalars import order
from handgrad.checker.scalars.definitions import Definitions
from handgrad.checker.scalars.engine import Engine, engines
from handgrad.checker.scalars.faults import Fault, Faults, likely
from handgrad.checker.scalars.judge import Bench
from handgrad.checker.scalars.place import SIMPLE, Place
from handgrad.checker.scalars.rule import Rule

GRAPH = "the whole graph"
ORDER = (
    "Each operation's own rule is right, and a node that is used more than once gets a wrong"
    " gradient: every node is to be visited once, after all the nodes computed from it."
)
SHARED = "Several operations give wrong gradients: the mistake is in what they share."
TESTED = (
    "the rules of {} were tested on random numbers, against central differences; this did not run"
    " the rest of the file"
)

FAILED = "the operations of {} are not judged: handgrad itself failed ({})"


@dataclass(frozen=True)
class Engines:
    """What the report says about the engines of a file."""

    rows: tuple[Row, ...] = ()
    notes: tuple[Note, ...] = ()
    listings: tuple[Listing, ...] = ()

    def report(self, file: str, errors: Sequence[CellError] = ()) -> Report:
        """Return the report on the engines alone."""
        return Report(file, self.rows, self.notes, tuple(errors), (), self.listings)


def may_define_engine(source: str) -> bool:
    """Tell whether a source may define an engine, from its text alone."""
    return re.search(r"\b__r?(add|mul)__\b", source) is not None


def check_engines(
    cells: Sequence[tuple[int | None, str]], names: Mapping[str, Any] | None = None
) -> Engines:
    """Judge every rule of every engine that the cells define. Runs only their definitions."""
    if not any(may_define_engine(source) for _, source in cells):
        return Engines()
    definitions = Definitions(cells, names)
    rows: list[Row] = []
    notes: list[Note] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the random numbers may be outside of a function's domain
        for engine in engines(definitions):
            try:
                found = _Rows(engine).rows()
            except Exception as error:  # ours: the rest of the report must not depend on it
                found = []
                notes.append(Note("HG220", FAILED.format(engine.name, type(error).__name__)))
            rows += found
            notes += [Note("HG230", TESTED.format(engine.name))] if found else []
    shown = {row.place.cell for row in rows if row.place is not None}
    listings = tuple(Listing(cell, source) for cell, source in cells if rows and cell in shown)
    return Engines(tuple(rows), tuple(notes), listings)


class _Rows:
    """The rows of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.bench = Bench(engine)
        self.faults = Faults(self.bench)

    def rows(self) -> list[Row]:
        faults = self.faults.find()
        by_rule = {id(rule): fault for fault in faults for rule in fault.rules}
        rows = [self._root(fault) for fault in faults]
        for rule in self.bench.rules:
            if rule.right and rule.operation.label in self.bench.composed and not rule.of_graph:
                continue  # it has no rule of its own
            fault = by_rule.get(id(rule))
            if rule.right:
                rows.append(self._right(rule))
            elif fault is None or fault.shared or fault.rules[0] is not rule:
                rows.append(self._inherited(rule, [fault] if fault else faults))
        return rows

    @property
    def _whole(self) -> str:
        """The name of the engine's backward pass."""
        driver = self.engine.driver
        return f"{self.engine.name}.{driver.name}" if driver.method else driver.name

    def hand(self, rule: Rule) -> str:
        if rule.of_graph:
            return self._whole
        operand = rule.operation.parameter(rule.position)
        reader = self.engine.driver.reader or "gradient"
        return f"{rule.operation.label}: {operand}.{reader}"

    def _name(self, fault: Fault) -> str:
        """Return the name of a fault: that of its rule, or the engine's backward pass."""
        return self._whole if fault.shared else self.hand(fault.rules[0])

    def _node(self, rule: Rule) -> str:
        if rule.of_graph:
            return GRAPH
        return rule.operation.parameter(rule.position)

    def _right(self, rule: Rule) -> Row:
        place = None if rule.of_graph else next(self._likely(rule), None)
        where, text = self._shown(place, rule)
        numbers = "pairs of numbers" if rule.experiments[0].n_leaves == 2 else "numbers"
        numbers = "graphs" if rule.of_graph else numbers
        message = f"right for {rule.n_samples} random {numbers}"
        hand, node = self.hand(rule), self._node(rule)
        return Row(node, hand, "rounding", where, text, message=message, dtype="float")

    def _likely(self, rule: Rule) -> Iterator[Place]:
        places = [p for p in self.faults.places(rule) if not self.faults.is_shared(p)]
        found = likely(places, rule, self.engine.driver.reader)
        if found is not None:
            yield found

    def _shown(self, place: Place | None, rule: Rule, whole: bool = False) -> tuple[Any, str]:
        """Return the place and text of a statement, or the head of the operation's definition."""
        if place is None and (rule.of_graph or whole):
            return self._backward()
        if place is None:
            operation = rule.operation
            line = operation.function.lineno
            text = operation.part.text.split("\n")[line - 1].strip()
            return operation.part.place(line), text
        node = place.statement
        text = place.text.segment(node)
        if not isinstance(node, SIMPLE):
            text = text.split("\n")[0]
        return place.part.place(node.lineno), text

    def _backward(self) -> tuple[records.Place | None, str]:
        """Return the place and text of the head of the engine's backward pass."""
        for part in self.engine.definitions.current():
            for node in ast.walk(part.tree):
                if isinstance(node, ast.FunctionDef) and node.name == self.engine.driver.name:
                    text = part.text.split("\n")[node.lineno - 1].strip()
                    return part.place(node.lineno), text
        return None, ""

    def _root(self, fault: Fault) -> Row:
        rule = fault.rules[0]
        where, text = self._shown(fault.place, rule, fault.shared)
        experiment, sample = rule.failing()[0]
        made, truth = sample.made[experiment.leaf], sample.truth[experiment.leaf]
        edit = fault.edit
        example = f"It gives {made or 0.0:.4g} where the central difference is {truth:.4g}."
        if edit is None and rule.of_graph:
            example = f"{ORDER} {example}"
        elif edit is None and fault.shared:
            example = f"{SHARED} {example}"
        if edit is not None and where is not None and fault.place is not None and not edit.adds:
            node = fault.place.statement
            if edit.moves is None and isinstance(node, SIMPLE) and edit.first != node.lineno:
                where = fault.place.part.place(edit.first)
                text = fault.place.part.text.split("\n")[edit.first - 1].strip()
        return Row(
            node=GRAPH if fault.shared else self._node(rule),
            hand=self._name(fault),
            verdict="wrong",
            place=where,
            statement=text,
            blame="root",
            places=(where,) if where is not None else (),
            dtype="float",
            max_abs_diff=abs((made or 0.0) - truth),
            cause=edit.code if edit is not None else order.CODE if rule.of_graph else None,
            message=example if edit is None else f"{edit.message} {example}",
            fix=None if edit is None else edit.line,
            fix_adds=edit is not None and (edit.adds or edit.moves is not None),
            fix_at=self._fix_at(fault, where),
            checked=None if edit is None else "rounding",
        )

    def _fix_at(self, fault: Fault, where: records.Place | None) -> records.Place | None:
        """Return the line below which the corrected line belongs, if it replaces none."""
        edit = fault.edit
        if edit is None or fault.place is None or not (edit.adds or edit.moves is not None):
            return None
        return where if edit.moves is None else fault.place.part.place(edit.moves)

    def _inherited(self, rule: Rule, faults: Sequence[Fault]) -> Row:
        where, text = self._shown(None, rule)
        inner = self.bench.made_of[rule.operation.label]
        used = [
            f for f in faults if rule in f.rules or any(r.operation.label in inner for r in f.rules)
        ]
        names = tuple(dict.fromkeys(map(self._name, used or faults)))
        return Row(
            self._node(rule),
            self.hand(rule),
            "wrong",
            where,
            text,
            "inherited",
            names,
            dtype="float",
        )
