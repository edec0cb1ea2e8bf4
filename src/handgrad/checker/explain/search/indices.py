"""Loop variables in the place of the numbers that they had: `hs[t]` for `hs[3]`."""

import ast
from collections.abc import Mapping

from handgrad.checker.explain.search.once import once
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unit import Body


@once
def counters(suspect: Suspect) -> Mapping[str, int]:
    """Return the variables of the loops around the statement, the inner ones first."""
    loops = [loop for loop in Body(suspect.statement).loops if isinstance(loop, ast.For)]
    names = [n.id for loop in reversed(loops) for n in ast.walk(loop.target)
             if isinstance(n, ast.Name)]  # fmt: skip
    values = {name: suspect.scope.get(name) for name in dict.fromkeys(names)}
    return {name: value for name, value in values.items() if type(value) is int}


def indexed(suspect: Suspect, text: str) -> str:
    """Return an expression with the loop's variable, or one beside it, for each index."""
    known = counters(suspect)
    if not known or "[" not in text:
        return text
    tree = _Indices(known).visit(ast.parse(text, mode="eval"))
    return (
        ast.unparse(tree)
        if ast.unparse(ast.parse(text, mode="eval")) != ast.unparse(tree)
        else text
    )


class _Indices(ast.NodeTransformer):
    def __init__(self, counters: Mapping[str, int]) -> None:
        self.counters = counters

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        value = node.slice.value if isinstance(node.slice, ast.Constant) else None
        is_size = isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
        if type(value) is int and not is_size:
            node.slice = self._index(value) or node.slice
        return node

    def _index(self, value: int) -> ast.expr | None:
        for off, text in ((0, "{}"), (1, "{} + 1"), (-1, "{} - 1")):
            for name, count in self.counters.items():
                if value == count + off:
                    return ast.parse(text.format(name), mode="eval").body
        return None
