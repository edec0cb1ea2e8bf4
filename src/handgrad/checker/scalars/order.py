"""Nodes visited in the wrong order.

What: the backward pass visits a node before all of its consumers, or more than once.

Why: a node's gradient is the sum over its consumers. It must be complete when the node passes it
on. A topological sort appends a node after the nodes that it was computed from; the backward pass
goes through that list from its end.

Wrong:

    for v in topo:
        v._backward()

Right:

    for v in reversed(topo):
        v._backward()
"""

import ast
from collections.abc import Iterator

from handgrad.checker.scalars.place import Edit, Place

CODE = "HG180"
NAME = "order of the graph"
EARLY = "The loop visits the nodes in the wrong order: a node comes before its consumers."
LATER = "a node comes after the nodes that it was computed from."


def turned(place: Place) -> Iterator[Edit]:
    """Yield a loop over the nodes from the other end."""
    node, text = place.statement, place.text
    for call in place.nodes:
        called = call.func if isinstance(call, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in ("pop", "popleft"):
            owner = text.segment(called)[: -len(called.attr)]
            for new in ("pop()", "popleft()", "pop(0)"):
                yield place.replaced(CODE, EARLY, call, owner + new)
    if not isinstance(node, ast.For):
        return
    was = text.segment(node.iter)
    if isinstance(node.iter, ast.Call) and getattr(node.iter.func, "id", "") == "reversed":
        yield place.replaced(CODE, EARLY, node.iter, text.segment(node.iter.args[0]))
    elif isinstance(node.iter, ast.Subscript) and was.replace(" ", "").endswith("[::-1]"):
        yield place.replaced(CODE, EARLY, node.iter, text.segment(node.iter.value))
    else:
        yield place.replaced(CODE, EARLY, node.iter, f"reversed({was})")


def moved(place: Place) -> Iterator[Edit]:
    """Yield the statement below the loop that follows it, and above the one before it."""
    node, lines = place.statement, place.part.text.split("\n")
    parent = place.text.parent(node)
    body = next((b for b in _bodies(parent) if node in b), [])
    at = body.index(node) if body else 0
    first, last = node.lineno, node.end_lineno or node.lineno
    mine = lines[first - 1 : last]
    if body and at + 1 < len(body) and isinstance(body[at + 1], ast.For | ast.While):
        loop = body[at + 1]
        end = loop.end_lineno or loop.lineno
        text = [*lines[: first - 1], *lines[last:end], *mine, *lines[end:]]
        line = place.part.place(loop.lineno).line
        message = f"This belongs below the loop on line {line}: {LATER}"
        where = end - len(mine) + 1
        yield Edit(CODE, message, "\n".join(text), where, where + len(mine) - 1, moves=end)


def _bodies(node: ast.AST | None) -> list[list[ast.stmt]]:
    return [
        b
        for b in (getattr(node, "body", None), getattr(node, "orelse", None))
        if isinstance(b, list)
    ]
