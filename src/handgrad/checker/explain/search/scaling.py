"""Statements that only scale a gradient by a number: `dz /= 4`, `dz = dz * n`."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from handgrad.checker.closeness import same_constant
from handgrad.checker.explain.search.counts import named_counts
from handgrad.checker.explain.search.edits import Text, number
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.once import once
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.judge.statements import grouped


@dataclass(frozen=True)
class Scaling:
    """`by` is the number, an expression in the text of the statement."""

    text: Text
    by: ast.expr
    divides: bool

    def other_way(self) -> str:
        """Return the statement that multiplies instead of dividing, or the reverse."""
        sign, tree = "*" if self.divides else "/", self.text.tree
        if isinstance(tree, ast.AugAssign):
            return self.text.augmented(sign)
        assert isinstance(self.text.value, ast.BinOp)
        return self.text.exchanged(self.text.value, sign)


@once
def scaled_wrongly(suspect: Suspect) -> Finding | None:
    """Return the correct number for a statement that scales the gradient by another."""
    off, statements = _off(suspect), [s for s, _ in grouped(suspect.hand)]
    if off is None or suspect.text is None or suspect.is_looped:
        return None
    at = next((i for i, s in enumerate(statements) if s is suspect.statement), len(statements))
    for i, statement in enumerate(statements[at:]):
        text = Text.parsed(statement.text, suspect.text.modules)
        scaling = None if text is None else _scaling(suspect, text)
        for fix, message in _fixes(suspect, scaling, off) if scaling is not None else ():
            if i == 0 and suspect.corrects(fix):
                return Finding(message, fix)
            rows = [s.text for s in statements[at + 1 :]]
            if i > 0 and suspect.corrects_later("\n".join([*rows[: i - 1], fix, *rows[i:]])):
                return Finding(message, fix, statement.place)
    return None


def _off(suspect: Suspect) -> float | None:
    """Return the factor by which the whole gradient is wrong in every scene."""
    made, right = suspect.made.double(), suspect.right.double()
    square = float((right * right).sum())
    off = float((made * right).sum()) / square if made.shape == right.shape and square else 0.0
    views = range(len(suspect.views)) if off and not same_constant(off, 1) else ()
    same = [suspect.is_right(suspect.makes(i) / off, i) for i in views]
    return off if same and all(same) else None


def _scaling(suspect: Suspect, text: Text) -> Scaling | None:
    tree, value, by = text.tree, text.value, None
    op: ast.operator | None = None
    if isinstance(tree, ast.AugAssign):
        op, by = tree.op, value
    elif isinstance(tree, ast.Assign) and isinstance(value, ast.BinOp):
        target = ast.unparse(tree.targets[0])
        op = value.op
        by = value.right if ast.unparse(value.left) == target else None
    if by is None or not isinstance(op, ast.Mult | ast.Div):
        return None
    is_number = type(suspect.value(text.segment(by))) in (int, float)
    return Scaling(text, by, isinstance(op, ast.Div)) if is_number else None


def _fixes(suspect: Suspect, scaling: Scaling, off: float) -> Iterator[tuple[str, str]]:
    written = scaling.text.segment(scaling.by)
    got = float(suspect.value(written))
    right = got * off if scaling.divides else got / off
    if same_constant(right, 1):
        return  # it must not scale at all
    name, done = suspect.hand.name, "divided" if scaling.divides else "multiplied"
    if same_constant(right * got, 1):
        other = "multiplied" if scaling.divides else "divided"
        yield scaling.other_way(), f"{name} is {done} by {written}; it must be {other} by it."
    counts = [c for c in named_counts(suspect) if same_constant(c.value, right)]
    names = [] if isinstance(scaling.by, ast.Constant) else [c.name for c in counts]
    if abs(right - round(right)) < 1e-9 * abs(right):
        names.append(number(round(right)))
    elif abs(1 / right - round(1 / right)) < 1e-9 / abs(right):
        names.append(f"(1 / {number(round(1 / right))})")
    what = f" ({counts[0].what})" if counts else ""
    for other in names:
        message = f"{name} is {done} by {written}; {other} is correct{what}."
        yield scaling.text.replace(scaling.by, other), message
