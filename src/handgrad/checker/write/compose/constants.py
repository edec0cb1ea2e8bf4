"""How the user's line spells a number or an index: `1 / n`, `range(n)`, `1e-5`.

The parts of the statement without side effects are evaluated in the scope of the backward line.
Of the parts that equal the value, the simplest is taken.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.instrument import Statement

_CALLS = {"range", "len", "int", "float", "min", "max", "tuple", "list", "slice", "abs", "size",
          "arange", "numel", "dim", "sqrt", "item", "long", "unsqueeze", "view", "tensor",
          "flatten", "reshape", "ravel", "transpose", "permute", "astype"}  # fmt: skip
_ALLOWED = (ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Tuple,
            ast.List, ast.Attribute, ast.Subscript, ast.Slice, ast.Call, ast.keyword, ast.Compare,
            ast.cmpop, ast.expr_context)  # fmt: skip
_LARGEST = 10_000
"""Larger tensors (in elements) are compared by identity only."""


class _Key:
    """Indexing returns the index itself."""

    def __getitem__(self, key: Any) -> Any:
        return key


class Spellings:
    """The constant parts of statements, each evaluated once in one scope."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names
        self._evaluated_parts: dict[str, list[tuple[ast.expr, Any]]] = {}

    def of(self, value: Any, statement: Statement | None) -> ast.expr | None:
        """Return the part of the statement that equals `value`, or None."""
        return min(self._equal(value, statement), key=_plainness, default=None)

    def name_of(self, value: int, statement: Statement | None) -> ast.expr | None:
        """Return the one name in the statement that equals a size, or None."""
        equal = [node for node in self._equal(value, statement) if isinstance(node, ast.Name)]
        return equal[0] if len({ast.unparse(node) for node in equal}) == 1 else None

    def _equal(self, value: Any, statement: Statement | None) -> list[ast.expr]:
        if statement is None:
            return []
        if statement.text not in self._evaluated_parts:
            self._evaluated_parts[statement.text] = list(self._parts(statement.text))
        parts = self._evaluated_parts[statement.text]
        return [node for node, constant in parts if same(constant, value)]

    def _parts(self, text: str) -> Iterator[tuple[ast.expr, Any]]:
        try:
            tree = ast.parse(text)
        except SyntaxError:  # the first line of a statement with a body
            return
        signed = {id(n.operand) for n in ast.walk(tree) if isinstance(n, ast.UnaryOp)}
        for node in ast.walk(tree):
            if id(node) in signed:  # not the 0.5 of -0.5
                continue
            if isinstance(node, ast.Subscript) and _is_safe(node.slice):
                yield from self._evaluated(node.slice, index=True)
            if isinstance(node, ast.expr) and not isinstance(node, ast.Slice) and _is_safe(node):
                yield from self._evaluated(node)

    def _evaluated(self, node: ast.expr, index: bool = False) -> Iterator[tuple[ast.expr, Any]]:
        code = ast.Subscript(ast.Name("__key__", ast.Load()), node, ast.Load()) if index else node
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad():
                value = eval(ast.unparse(code), {"__key__": _Key(), **self._names})
        except Exception:  # a local name of a function that has returned
            return
        if _is_value(value):
            yield node, value


def _is_value(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.is_floating_point() or value.numel() <= 1
    return isinstance(value, int | float | str | range | slice | tuple | list | torch.dtype)


def _is_safe(node: ast.AST) -> bool:
    for part in ast.walk(node):
        if not isinstance(part, _ALLOWED):
            return False
        if isinstance(part, ast.Call) and _called(part) not in _CALLS:
            return False
    return True


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _plainness(node: ast.expr) -> tuple[bool, int]:
    """Return a sort key: digits before names before arithmetic."""
    return not isinstance(node, ast.Constant), sum(1 for _ in ast.walk(node))


def same(a: Any, b: Any) -> bool:
    """Tell whether two constants have the same type and value."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
            return False
        return a is b or (
            a.shape == b.shape
            and a.dtype == b.dtype
            and a.device == b.device
            and a.numel() <= _LARGEST
            and torch.equal(a, b)
        )
    if isinstance(a, slice) and isinstance(b, slice):
        return same((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    try:
        return bool(type(a) is type(b) and a == b)
    except Exception:  # the == of a user's class
        return False
