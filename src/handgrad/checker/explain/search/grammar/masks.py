"""Masks: a reversed comparison, strict for one that includes equality, negation, where's values."""

import ast
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.suspect import Suspect

_CLOSED = {ast.Gt: ">=", ast.GtE: ">", ast.Lt: "<=", ast.LtE: "<"}
_TURNED = {ast.Gt: ("<=", "<"), ast.GtE: ("<", "<="), ast.Lt: (">=", ">"), ast.LtE: (">", ">="),
           ast.Eq: ("!=",), ast.NotEq: ("==",)}  # fmt: skip
_FUNCTIONS = {"gt": "ge", "ge": "gt", "lt": "le", "le": "lt"}


def turned(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Turn one mask: the comparison, where's two sides, ~m, 1 - m."""
    for fix in _turned(suspect, text):
        yield Edit(re.sub(r"(?<![\w)\]])\((\w+)\)", r"\1", fix))


def closed(text: Text) -> Iterator[str]:
    """Yield the statement with >= for >, and the like."""
    for node in comparisons(text):
        if type(node.ops[0]) in _CLOSED:
            yield compared(text, node, _CLOSED[type(node.ops[0])])
    for call in text.of(ast.Call):
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in _FUNCTIONS:
            inner = text.segment(function.value)
            arguments = text.segment(call)[len(text.segment(function)) :]
            yield text.replace(call, f"{inner}.{_FUNCTIONS[function.attr]}{arguments}")


def halved(text: Text) -> Iterator[str]:
    """Yield the statement with half of the gradient where the two sides are equal."""
    for node in comparisons(text):
        if type(node.ops[0]) in _CLOSED:
            left, right = text.segment(node.left), text.segment(node.comparators[0])
            sign = ">" if isinstance(node.ops[0], ast.Gt | ast.GtE) else "<"
            yield text.replace(node, f"({left} {sign} {right}) + 0.5 * ({left} == {right})")


def comparisons(text: Text) -> Iterator[ast.Compare]:
    """Yield the comparisons of two, those in the target's index too: `dx[x < 0] = 0`."""
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield node


def compared(text: Text, node: ast.Compare, sign: str) -> str:
    """Return the statement with another comparison."""
    left, right = text.segment(node.left), text.segment(node.comparators[0])
    return text.replace(node, f"{left} {sign} {right}")


def _turned(suspect: Suspect, text: Text) -> Iterator[str]:
    for node in comparisons(text):
        for sign in _TURNED.get(type(node.ops[0]), ()):
            yield compared(text, node, sign)
    for call in text.of(ast.Call):
        if getattr(call.func, "attr", "") == "where" and len(call.args) == 3:
            mask, a, b = (text.segment(argument) for argument in call.args)
            yield text.replace(call, f"{text.segment(call.func)}({mask}, {b}, {a})")
    for unary in text.of(ast.UnaryOp):
        if isinstance(unary.op, ast.Invert):
            yield text.replace(unary, text.segment(unary.operand))
    for binary in text.of(ast.BinOp):
        one = isinstance(binary.left, ast.Constant) and binary.left.value == 1
        if one and isinstance(binary.op, ast.Sub):
            yield text.replace(binary, text.segment(binary.right))
    for name in text.of(ast.Name):
        if _is_mask(suspect.value(name.id)):
            yield text.replace(name, f"~{name.id}")
            yield text.replace(name, f"(1 - {name.id})")


def _is_mask(value: object) -> bool:
    boolean = isinstance(value, Tensor) and value.dtype == torch.bool
    return boolean or (isinstance(value, Tensor) and bool(((value == 0) | (value == 1)).all()))
