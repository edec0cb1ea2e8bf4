"""Statements run on the names of a moment, without effects on the user's values."""

import ast
import builtins
import contextlib
import warnings
from collections.abc import Iterator, Mapping
from types import CodeType, MappingProxyType
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.explain.search.arrays import as_array, as_given, as_result
from handgrad.checker.explain.search.names import NamesAt
from handgrad.checker.write.dialect import in_numpy

BEFORE, RETURNED = "__before__", "__returned__"
NOTHING: Mapping[str, Any] = MappingProxyType({})


class LineRunner:
    """Runs text that nobody wrote, so it may raise anything: then the result is None.

    `dtype` is the default dtype (of zeros, say), None for the user's.
    """

    def __init__(self, names: NamesAt, dtype: torch.dtype | None = torch.float64) -> None:
        self.names = names
        self.dtype = dtype

    def value(self, source: str) -> Any:
        """Return the value of an expression."""
        with contextlib.suppress(Exception):
            tree = ast.parse(self._worded(source), mode="eval")
            code = compile(tree, "<line>", "eval")
            names = self._given(code, writes=any(True for _ in _written(tree)))
            return as_result(self._run(code, names, eval))
        return None

    def _worded(self, source: str) -> str:
        """Return the text in the words of the user's library."""
        return in_numpy(source, self.names.numpy_name()) if self.names.of_arrays else source

    def run(
        self,
        source: str,
        target: str,
        before: Tensor | None,
        given: Mapping[str, Any] = NOTHING,
    ) -> Tensor | None:
        """Run statements; return the value of `target` afterwards, None if it is not a tensor.

        `target` is an expression (dx, grads["x"], self.dx); `before` is its value at the start,
        `given` are values for other names.
        """
        with contextlib.suppress(Exception):
            return self._result(ast.parse(self._worded(source)), target, before, given)
        return None

    def _result(
        self, tree: ast.Module, target: str, before: Tensor | None, given: Mapping[str, Any]
    ) -> Tensor | None:
        read = compile(target, "<line>", "eval")
        code = compile(tree, "<line>", "exec")
        names = self._given(code, _writes(tree, target, before is not None), read)
        user = as_array if self.names.of_arrays else _unchanged
        names |= {name: user(value) for name, value in given.items()}
        if before is not None:
            names[BEFORE] = user(before.clone())
            exec(f"{target} = {BEFORE}", names)
        self._run(code, names, exec)
        found = as_result(eval(read, names))
        return found if isinstance(found, Tensor) else None

    def _given(self, code: CodeType, writes: bool, read: CodeType | None = None) -> dict[str, Any]:
        clones: dict[int, Any] = {}

        def clone(value: Tensor, stand_in: Tensor) -> Any:
            if id(value) not in clones:  # what has two names has them here too
                clones[id(value)] = as_given(value, stand_in.clone())
            return clones[id(value)]

        found: dict[str, Any] = {"__builtins__": builtins}
        for name in _names_of(code) | (_names_of(read) if read is not None else set()):
            if name not in self.names:
                continue
            with contextlib.suppress(KeyError):  # where a line needs it, it raises a NameError
                given = self.names.given(name)
                found[name] = self.names.stand_in(given, clone if writes else as_given)
        return found

    def _run(self, code: CodeType, names: dict[str, Any], how: Any) -> Any:
        dtype, random = torch.get_default_dtype(), torch.get_rng_state()
        torch.set_default_dtype(self.dtype or dtype)
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about lines that nobody wrote
                return how(code, names)
        finally:
            torch.set_default_dtype(dtype)
            torch.set_rng_state(random)


def _unchanged(value: Any) -> Any:
    return value


def _writes(tree: ast.Module, target: str, is_own: bool) -> bool:
    """Tell whether anything but the target is modified in-place; `is_own`: the target is a copy."""
    written = {ast.unparse(t) for t in _written(tree)}
    simple = len(tree.body) == 1 and isinstance(tree.body[0], ast.Assign | ast.AugAssign)
    targets = {target, target.split("[")[0]} if simple and is_own else set[str]()
    return bool(written - targets)


def _written(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is modified in-place: `x` of x += 1, x[i] = 1 and x.add_(1); calls with out=."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign):
            yield _owner(node.target)
        elif isinstance(node, ast.Assign):
            yield from (_owner(t) for t in node.targets if isinstance(t, ast.Subscript))
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if (
                name in ("at", "fill", "copyto", "put")
                or (name.endswith("_") and not name.endswith("__"))
                or any(k.arg in ("out", "inplace") for k in node.keywords)
            ):
                yield node


def _owner(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Subscript) else node


def _names_of(code: CodeType) -> set[str]:
    found = {*code.co_names, *code.co_freevars}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names_of(constant)
    return found
