"""Products of matrices and vectors, and linear algebra."""

from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.arrays.elementwise import UFUNCS
from handgrad.checker.record.arrays.rule import Call, Helper, Rule, as_tensor, require, same_dtype


def _both(helper: Helper, a: Any, b: Any) -> tuple[Tensor, ...]:
    a, b = as_tensor(a, b if isinstance(b, Tensor) else None), as_tensor(b, a)
    return same_dtype(helper, a, b)


def _dot(helper: Helper, a: Any, b: Any) -> Call:
    if not isinstance(a, Tensor | list) or not isinstance(b, Tensor | list):
        return UFUNCS["multiply"](helper, a, b)
    x, y = _both(helper, a, b)
    if not x.dim() or not y.dim():
        return Call(torch.mul, (x, y))
    if y.dim() <= 2:
        return Call(torch.matmul, (x, y))
    return Call(torch.tensordot, (x, y, ([x.dim() - 1], [y.dim() - 2])))


def _inner(helper: Helper, a: Any, b: Any) -> Call:
    x, y = _both(helper, a, b)
    if x.dim() == y.dim() == 1:
        return Call(torch.matmul, (x, y))
    return Call(torch.inner, (x, y))


def _outer(helper: Helper, a: Any, b: Any) -> Call:
    x, y = _both(helper, a, b)
    flat = [v if v.dim() == 1 else helper.run(torch.reshape, v, (-1,)) for v in (x, y)]
    return Call(torch.outer, tuple(flat))


def _vdot(helper: Helper, a: Any, b: Any) -> Call:
    x, y = _both(helper, a, b)
    flat = [v if v.dim() == 1 else helper.run(torch.reshape, v, (-1,)) for v in (x, y)]
    return Call(torch.dot, tuple(flat))


def _tensordot(helper: Helper, a: Any, b: Any, axes: Any = 2) -> Call:
    x, y = _both(helper, a, b)
    if isinstance(axes, int):
        return Call(torch.tensordot, (x, y, axes))
    left, right = ([int(i) for i in (p if isinstance(p, tuple | list) else [p])] for p in axes)
    left = [i % x.dim() for i in left]
    right = [i % y.dim() for i in right]
    return Call(torch.tensordot, (x, y, (left, right)))


def _einsum(helper: Helper, equation: Any, *operands: Any, optimize: Any = None) -> Call:
    require(isinstance(equation, str))
    tensors = same_dtype(helper, *(as_tensor(o) for o in operands))
    return Call(torch.einsum, (equation, *tensors))


def _same(func: Any, count: int = 1) -> Rule:
    def rule(helper: Helper, *args: Any) -> Call:
        require(len(args) == count)
        return Call(func, same_dtype(helper, *map(as_tensor, args)))

    return rule


def _trace(helper: Helper, a: Tensor) -> Call:
    require(a.dim() == 2)
    return Call(torch.trace, (a,))


FUNCTIONS: dict[str, Rule] = {
    "dot": _dot, "inner": _inner, "outer": _outer, "vdot": _vdot, "tensordot": _tensordot,
    "einsum": _einsum, "matmul": UFUNCS["matmul"], "trace": _trace, "kron": _same(torch.kron, 2),
    "linalg.inv": _same(torch.linalg.inv), "linalg.det": _same(torch.linalg.det),
    "linalg.solve": _same(torch.linalg.solve, 2), "linalg.cholesky": _same(torch.linalg.cholesky),
    "linalg.multi_dot": lambda helper, arrays: Call(torch.linalg.multi_dot, (list(arrays),)),
}  # fmt: skip
