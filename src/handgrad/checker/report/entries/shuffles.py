"""A list that is shuffled and never read afterwards: the split that follows is not shuffled."""

import ast
from collections.abc import Iterator, Sequence

from handgrad.checker.records import Note, Place

Position = tuple[int, int]
MESSAGE = "{} is shuffled here and never read afterwards: the code below uses another order."


def unread_shuffles(sources: Sequence[tuple[int | None, str]]) -> list[Note]:
    """Return a note for each list that a top-level statement shuffles and nothing reads afterwards.

    Reading only its length does not count. `sources` are the cells that were run, in order.
    """
    shuffled: list[tuple[str, Position, Place]] = []
    read: dict[str, list[Position]] = {}
    for number, (cell, source) in enumerate(sources):
        tree = ast.parse(source)
        measured = {id(a) for call in _calls(tree, "len") for a in call.args}
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        for node in names:
            if isinstance(node.ctx, ast.Load) and id(node) not in measured:
                read.setdefault(node.id, []).append((number, node.lineno))
        for statement in tree.body:
            at, place = (number, statement.lineno), Place(statement.lineno, cell)
            shuffled += [(name, at, place) for name in _shuffled(statement)]
    return [
        Note("HG209", MESSAGE.format(name), place=place)
        for name, at, place in shuffled
        if not any(position > at for position in read.get(name, ()))
    ]


def _shuffled(statement: ast.stmt) -> Iterator[str]:
    """Yield the list in `random.shuffle(words)`; not in a loop, where earlier lines may read it."""
    if isinstance(statement, ast.Expr):
        for call in _calls(statement, "shuffle"):
            if call.args and isinstance(call.args[0], ast.Name):
                yield call.args[0].id


def _calls(tree: ast.AST, function: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name == function:
                yield node
