"""Terms of sums: left out, one after another; a factor of one applied to all."""

import ast
from collections.abc import Iterator

from torch import Tensor

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.suspect import Suspect


def without_term(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Leave out one term after another, then the statement."""
    for fix, node, term in text.without_terms():
        yield Edit(fix, text.segment(term), _done(node.op))
    tree = text.tree
    if isinstance(tree, ast.AugAssign) and isinstance(tree.op, ast.Add | ast.Sub):
        yield Edit(text.commented_out, text.segment(tree.value), _done(tree.op))


def without_branch(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Leave out what is added, then a statement that does not begin the gradient."""
    for fix, _, _ in text.without_terms():
        yield Edit(fix)
    if not isinstance(text.tree, ast.Assign):
        yield Edit(text.commented_out)


def regrouped(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Apply a divisor or factor of one term to the whole sum."""
    for node in text.of(ast.BinOp):
        right = node.right
        if not isinstance(node.op, ast.Add | ast.Sub) or not isinstance(right, ast.BinOp):
            continue
        sign = "+" if isinstance(node.op, ast.Add) else "-"
        left = text.segment(node.left)
        if isinstance(right.op, ast.Div | ast.Mult):
            how = "/" if isinstance(right.op, ast.Div) else "*"
            inner = f"({left} {sign} {text.segment(right.left)})"
            yield Edit(text.replace(node, f"{inner} {how} {text.segment(right.right)}"))
            if how == "*":
                inner = f"({left} {sign} {text.segment(right.right)})"
                yield Edit(text.replace(node, f"{text.segment(right.left)} * {inner}"))


def _done(op: ast.operator) -> str:
    return "added" if isinstance(op, ast.Add) else "subtracted"


def with_name(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Add a tensor of the same shape: what an iteration before left, such as dhnext."""
    if text.value is None:
        return
    written = text.segment(text.value)
    whole = suspect.value(written)
    for name in suspect.scope if isinstance(whole, Tensor) else ():
        other = suspect.tensor(name) if name != suspect.hand.name else None
        if other is not None and other.shape == whole.shape:
            yield Edit(text.replace(text.value, f"{written} + {name}"), name)
