"""Stored or accumulated with fewer digits than the forward pass.

What: the formula is correct, but the value went through float16, bfloat16, integers, or float32 in
a float64 program.

Why: float16 keeps 11 bits and bfloat16 keeps 8. A sum of many terms stops growing once a term is
smaller than the last bit of the total, and integers drop the fractional part.

Wrong:

    dW = torch.zeros_like(W, dtype=torch.bfloat16)
    for i in range(n):
        dW += x[i, :, None] * dout[i]

Right:

    dW = torch.zeros_like(W)
    for i in range(n):
        dW += x[i, :, None] * dout[i]
"""

import ast
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.passes.compare import judge

CODE = "HG134"
NAME = "low precision"
ORDER = 110
_SHORT = {"half": "float16", "bfloat16": "bfloat16", "float": "float32"}
_WHOLE = {"long": "int64", "int": "int32", "short": "int16", "byte": "uint8", "char": "int8",
          "round": "whole numbers", "trunc": "whole numbers", "floor": "whole numbers"}  # fmt: skip
_DTYPES = _SHORT | _WHOLE


def find(suspect: Suspect) -> Finding | None:
    """Leave out one change of dtype after another."""
    text, corrects = (suspect.text, suspect.corrects)
    if not suspect.grade.root and suspect.is_safe:  # in float64 it makes something else
        text, corrects = suspect.shown, partial(_is_right, suspect)
    if text is None:
        return None
    for fix, dtype in [*_kept(text), *_all_kept(text)]:
        if corrects(fix):
            return Finding(_why(suspect, dtype), fix)
    return None


def of_right_formula(suspect: Suspect) -> Finding | None:
    """For a line that is correct except for its dtypes: find the cast, or name the short value."""
    found = find(suspect)
    if found is not None:
        return found
    node = suspect.node.value.dtype
    if _bits(suspect.dtype) < _bits(node):
        return Finding(_why(suspect, _name(suspect.dtype)))
    if suspect.shown is None:
        return None
    for name in suspect.shown.of(ast.Name):
        given = suspect.scope
        value = given.given(name.id) if name.id in given else None
        if isinstance(value, Tensor) and 0 < _bits(value.dtype) < _bits(node):
            return Finding(_why(suspect, f"{name.id}, {_name(value.dtype)},"))
    return None


def _why(suspect: Suspect, dtype: str) -> str:
    if "float" in dtype:
        node_dtype = f"{suspect.node.name} is {_name(suspect.node.value.dtype)}"
        return f"The formula is correct, but {dtype} keeps too few digits. {node_dtype}."
    return f"Rounding to {dtype} drops the fractional part."


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _bits(dtype: torch.dtype) -> int:
    """Return the number of significant bits."""
    return -int(torch.tensor(torch.finfo(dtype).eps).log2()) if dtype.is_floating_point else 0


def _kept(text: Text) -> Iterator[tuple[str, str]]:
    """Yield the statement without one change of dtype, and that dtype."""
    for call in text.of(ast.Call):
        if isinstance(call.func, ast.Attribute):
            name, owner = call.func.attr, text.segment(call.func.value)
            if not call.args and name in _DTYPES:
                yield text.replace(call, owner), _DTYPES[name]
            if name in ("to", "type") and len(call.args) == 1:
                yield text.replace(call, owner), _dtype(text.segment(call.args[0]))
        dtype = next((keyword for keyword in call.keywords if keyword.arg == "dtype"), None)
        if dtype is not None:
            kept = [f"{k.arg}={text.segment(k.value)}" for k in call.keywords if k is not dtype]
            arguments = ", ".join([*map(text.segment, call.args), *kept])
            plain = f"{text.segment(call.func)}({arguments})"
            yield text.replace(call, plain), _dtype(text.segment(dtype.value))


def _all_kept(text: Text) -> Iterator[tuple[str, str]]:
    """Yield the statement without any change of dtype, where there are several."""
    dtypes: list[str] = []
    while (shorter := next(_kept(text), None)) is not None:
        source, dtype = shorter
        text = Text(source, ast.parse(source).body[0])
        dtypes.append(dtype)
    if len(dtypes) > 1:
        yield text.text, dtypes[-1]


def _dtype(source: str) -> str:
    name = source.strip("'\"").split(".")[-1]
    return _DTYPES.get(name, name)


def _is_right(suspect: Suspect, fix: str) -> bool:
    """Tell whether a line is correct in the dtypes of the program."""
    autograd = suspect.forward.autograd.get(suspect.node.index)
    made = suspect.natively(fix)
    if made is None or made.shape != suspect.right.shape:
        return False
    if _bits(made.dtype) < _bits(suspect.node.value.dtype):
        return False  # less is asked of fewer digits
    truth = suspect.forward.truth[suspect.node.index]
    return judge(made, autograd, truth, suspect.noise)[0] != "wrong"
