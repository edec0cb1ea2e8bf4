"""Terms of sums: left out, one after another; then the statement that adds one."""

import ast
from collections.abc import Iterator

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


def _done(op: ast.operator) -> str:
    return "added" if isinstance(op, ast.Add) else "subtracted"
