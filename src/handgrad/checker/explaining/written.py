"""The corrected line written from the rules, where no change of the user's own line mends it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect
from handgrad.checker.records import Place
from handgrad.checker.rules.branches import Branch, branches


@dataclass(frozen=True)
class Written:
    """A line, run and right. `at` and `adds` as in a Finding."""

    text: str
    at: Place | None = None
    adds: bool = False


def written(suspect: Suspect) -> Written | None:
    """Return the line that belongs in the statement's place, or that is missing below it."""
    if not suspect.views or suspect.grade.alias is not None or suspect.is_looped:
        return None
    found = [b for b in _branches(suspect) if b.expression is not None]
    for text in _lines(suspect, found):
        if suspect.would(text):
            return Written(text)
    return _added(suspect, found)


def with_line(suspect: Suspect, finding: Finding) -> Finding:
    """Return the finding with the corrected line, where it has none and one can be written."""
    if finding.fix is not None:
        return finding
    line = written(suspect)
    return finding if line is None else Finding(finding.message, line.text, line.at, line.adds)


def _branches(suspect: Suspect) -> list[Branch]:
    shared = suspect.backward
    names = {number: hand.name for number, hand in shared.hands.items()}
    scope = suspect.hand.own_final().scope
    return branches(suspect.forward, suspect.node, names, scope)


def _lines(suspect: Suspect, found: list[Branch]) -> Iterator[str]:
    """Yield the statement with one branch, and with all of them."""
    name, tree = suspect.hand.name, suspect.unit.tree if suspect.unit is not None else None
    sign = "=" if isinstance(tree, ast.Assign | ast.AnnAssign | None) else "+="
    for branch in found:
        yield f"{name} {sign} {branch.expression}"
    if len(found) > 1:
        first, *rest = (branch.expression for branch in found)
        yield "\n".join([f"{name} {sign} {first}", *(f"{name} += {text}" for text in rest)])


def _added(suspect: Suspect, found: list[Branch]) -> Written | None:
    """Return the line for a branch that no statement adds, where all that it reads is there."""
    late = suspect.late
    if late is None or suspect.made.shape != suspect.right.shape:
        return None
    for branch in found:
        try:
            value = late.value(str(branch.expression))
        except Exception:  # it reads a gradient that is not written yet
            continue
        if not isinstance(value, torch.Tensor) or not suspect.is_right(suspect.made + value):
            continue
        return Written(f"{suspect.hand.name} += {branch.expression}", _below(suspect, branch), True)
    return None


def _below(suspect: Suspect, branch: Branch) -> Place:
    """Return the later of the gradient's last statement and the upstream gradient's."""
    own = suspect.hand.own_final()
    consumer = branch.consumer
    other = suspect.backward.hands.get(id(consumer.value)) if consumer is not None else None
    last = own if other is None else max(own, other.own_final(), key=lambda bind: bind.index)
    return last.statement.place
