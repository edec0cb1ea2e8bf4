"""Undo broadcasting by sums, and expand gradients to the shape they need."""

import ast
from math import prod

import torch
from torch import Tensor

from handgrad.checker.write.compose.expression import Expr, filled, literal, parsed
from handgrad.checker.write.compose.graph import zeros_as

Shape = tuple[int, ...]


def summed_over(full: Shape, target: Shape) -> list[int]:
    """Return the dimensions of `full` over which a tensor of shape `target` was broadcast."""
    return [i for i in range(len(full)) if not _kept_at(i, full, target)]


def is_short(expr: Expr, full: Shape, dims: list[int]) -> bool:
    """Tell whether an expression still relies on broadcasting in a dimension to be summed."""
    padded = _padded(expr.shape, len(full))
    return any(padded[i] != full[i] for i in dims)


def summed(expr: Expr, full: Shape, target: Shape) -> Expr:
    """Sum to the target shape: leading dimensions disappear, inner ones become 1."""
    lead = len(full) - len(target)
    drop = max(len(full) - len(expr.shape), 0)  # missing leading dimensions have size 1: no sum
    inner = [i - drop for i in range(lead, len(full)) if not _kept_at(i, full, target)]
    first = list(range(max(lead - drop, 0)))
    if not target and len(first) == len(expr.shape):
        return _sum(expr, "")
    if first and inner and prod(target) == 1:
        node = ast.Call(ast.Attribute(_sum(expr, "").node, "view", ast.Load()), [], [])
        node.args = [literal(1)] * len(target)
        return Expr(node, expr.value.sum().view(target))
    if first:
        expr = _sum(expr, str(first[0] if len(first) == 1 else tuple(first)))
        inner = [i - len(first) for i in inner]
    if inner:
        at = str(inner[0] if len(inner) == 1 else tuple(inner))
        expr = _sum(expr, f"{at}, keepdim=True")
    return expr


def squeezed(expr: Expr, target: Shape) -> Expr:
    """Drop leading dimensions of size 1 that the target lacks; broadcasting adds missing ones."""
    if len(expr.shape) <= len(target) or not isinstance(expr.value, Tensor):
        return expr
    shape = expr.shape[len(expr.shape) - len(target) :]
    node = ast.Call(ast.Attribute(expr.node, "reshape", ast.Load()), [literal(shape)], [])
    return Expr(node, expr.value.reshape(shape))


def broadcasts_to(target: Shape, full: Shape) -> bool:
    """Tell whether `target` broadcasts to `full`."""
    if len(target) > len(full):
        return False
    padded = _padded(target, len(full))
    return all(a in (1, b) for a, b in zip(padded, full, strict=True))


def expanded(expr: Expr, like: str | None, tensor: Tensor, shape: Shape | None = None) -> Expr:
    """Return the expression in the shape of `tensor`, whose name is `like`, or None.

    Written as in the lecture: `torch.ones_like(counts) * dcounts_sum`, which changes no bit.
    """
    full = tuple(tensor.shape) if shape is None else shape
    value = zeros_as(tensor).new_zeros(full)
    one = isinstance(expr.node, ast.Constant) and expr.node.value == 1
    if like is None or full != tuple(tensor.shape):
        if not expr.is_number:
            value = value.new_zeros(expr.shape).expand(full)  # view() fails on it, as in the run
            return Expr(filled(parsed(f"d.expand({full})"), {"d": expr.node}), value)
        plain = tensor.dtype == torch.get_default_dtype()
        plain = plain and (one or isinstance(expr.value, float))
        dtype = "" if plain else f", dtype={tensor.dtype}"
        text = f"torch.ones({full}{dtype})" if one else f"torch.full({full}, d{dtype})"
        return Expr(filled(parsed(text), {"d": expr.node}), value)
    if expr.is_number:
        text = f"torch.ones_like({like})" if one else f"torch.full_like({like}, d)"
        return Expr(filled(parsed(text), {"d": expr.node}), value)
    ones, node = parsed(f"torch.ones_like({like})"), expr.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        inner = ast.BinOp(node.left, ast.Mult(), ones)
        return Expr(ast.BinOp(inner, ast.Mult(), node.right), value)
    return Expr(ast.BinOp(ones, ast.Mult(), node), value)


def _padded(shape: Shape, rank: int) -> Shape:
    return (1,) * (rank - len(shape)) + shape


def _kept_at(i: int, full: Shape, target: Shape) -> bool:
    lead = len(full) - len(target)
    return i >= lead and (target[i - lead] == full[i] or target[i - lead] != 1)


def _sum(expr: Expr, how: str) -> Expr:
    text = f"d.sum({how})"
    return Expr(filled(parsed(text), {"d": expr.node}), eval(text, {"d": expr.value}))
