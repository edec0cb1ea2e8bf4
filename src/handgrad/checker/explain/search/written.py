"""Correct lines that are no edit: from the rules of differentiation, or added below the others."""

import ast
import re
from collections.abc import Iterable, Iterator

import torch

from handgrad.checker.explain.search.due import due
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.runner import RETURNED, LineRunner
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.records import Place
from handgrad.checker.write.compose.branches import Branch


def with_line(suspect: Suspect, finding: Finding) -> Finding:
    """Return the finding with a corrected line, if it has none and one can be written.

    The line replaces the statement, or is missing below it.
    """
    if finding.fix is not None or suspect.grade.alias is not None or suspect.is_looped:
        return finding
    found = [b for b in due(suspect) if b.expression is not None]
    for text in _lines(suspect, found):
        if suspect.would(text):
            return Finding(finding.message, text)
    return _added(suspect, finding.message, found) or finding


def addition(suspect: Suspect, message: str, lines: Iterable[str], reads: str | None) -> Finding:
    """Return a finding with the first line that completes the gradient, or without a line.

    `reads` is the gradient that the line reads, so it must be placed below that one.
    """
    fix = next((line for line in lines if suspect.completes(line)), None)
    hand = next((h for h in suspect.backward.hands.values() if h.name == reads), None)
    return Finding(message, fix, _below(suspect, hand), adds=True)


def _lines(suspect: Suspect, found: list[Branch]) -> Iterator[str]:
    """Yield the statement with one contribution, and with all of them."""
    unit, text = suspect.unit, suspect.shown
    if suspect.frame is not None:
        yield from _inner_lines(suspect, found)
        return
    name, tree = (suspect.hand.name, None) if unit is None else (unit.target, unit.tree)
    among = None if text is None else part_named(text, name)
    if among is not None or isinstance(tree, ast.Return):
        for branch in found:
            if among is not None and text is not None:
                yield text.replace(among, str(branch.expression))
            elif name == RETURNED:
                yield f"return {branch.expression}"
        return
    sign = "=" if isinstance(tree, ast.Assign | ast.AnnAssign | None) else "+="
    for branch in found:
        yield f"{name} {sign} {branch.expression}"
    if len(found) > 1:
        first, *rest = (branch.expression for branch in found)
        yield "\n".join([f"{name} {sign} {first}", *(f"{name} += {text}" for text in rest)])


def _inner_lines(suspect: Suspect, found: list[Branch]) -> Iterator[str]:
    """Yield a line inside a function with one contribution instead of one of its expressions."""
    text = suspect.shown
    if text is None or text.value is None:
        return
    parts = text.value.elts if isinstance(text.value, ast.Tuple) else [text.value]
    for branch in found:
        for part in parts:
            yield text.replace(part, str(branch.expression))


def part_named(text: Text, name: str) -> ast.expr | None:
    """Return the expression for this gradient where one statement makes several."""
    value, targets = text.value, getattr(text.tree, "targets", [None])
    if not isinstance(value, ast.Tuple):
        return None
    if isinstance(text.tree, ast.Return):
        at = re.search(r"\[(\d+)\]$", name)
        return value.elts[int(at[1])] if at is not None and int(at[1]) < len(value.elts) else None
    if not isinstance(targets[0], ast.Tuple) or len(targets[0].elts) != len(value.elts):
        return None
    names = [ast.unparse(target) for target in targets[0].elts]
    return value.elts[names.index(name)] if name in names else None


def _added(suspect: Suspect, message: str | None, found: list[Branch]) -> Finding | None:
    """Add the contribution that no statement adds, if all the names in it exist at the end."""
    names = suspect.backward.scenes[0].late
    if names is None or suspect.made.shape != suspect.right.shape:
        return None
    for branch in found:
        value = LineRunner(names).value(str(branch.expression))
        fits = isinstance(value, torch.Tensor) and value.shape == suspect.made.shape
        if fits and suspect.is_right(suspect.made + value):
            hands, consumer = suspect.backward.hands, branch.consumer
            hand = None if consumer is None else hands.get(id(consumer.value))
            line = f"{suspect.hand.name} += {branch.expression}"
            return Finding(message, line, _below(suspect, hand), adds=True)
    return None


def _below(suspect: Suspect, hand: Pair | None) -> Place:
    """Return the place below which a line that reads the gradient `hand` can be added."""
    final = suspect.hand.own_final()
    last = final if hand is None else max(final, hand.own_final(), key=lambda bind: bind.index)
    return last.statement.place
