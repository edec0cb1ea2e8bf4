"""`handgrad.derive`: the backward pass of a function, as a function to paste."""

import ast
import builtins
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.api import _instrumented, _leaf, _upstream
from handgrad.checker.record.trace import Backward
from handgrad.checker.session import Session
from handgrad.checker.write.derive.derive import choose_pass, derive_pass
from handgrad.checker.write.derive.records import Derivation
from handgrad.errors import CheckError


def derive(
    forward: Callable[..., Any], inputs: Sequence[Any] | Mapping[str, Any], *, fused: bool = False
) -> Derivation:
    """Write the backward pass of a function that names its steps, run it, and judge it.

    `forward(*inputs)` (or `**inputs` for a mapping) returns `out` or `(out, ...)`. The inputs are
    copied. Gradients are those of the floating-point tensors among them.

    `str()` of the result is a function of the gradient of `out` and of the tensors that its lines
    read. `.lines` are its lines, and `.gradients` the verdicts for these inputs and a random
    gradient of `out`. `fused` writes known blocks (softmax and cross-entropy, batch norm, layer
    norm) in closed form.

    Raises CheckError if the function has no source, does not return a floating-point tensor first,
    or its result depends on no floating-point input.
    """
    session = Session()
    run = _instrumented(forward, session, "assign")
    named = inputs if isinstance(inputs, Mapping) else {}
    values = [_leaf(v) for v in (named.values() if named else inputs)]
    with session.recording():
        result = run(**dict(zip(named, values, strict=True))) if named else run(*values)
        out = result[0] if isinstance(result, tuple) else result
        if not isinstance(out, Tensor) or not out.is_floating_point():
            raise CheckError(f"{forward.__name__} must return a floating-point tensor first, "
                             f"not {out!r}")  # fmt: skip
        if not out.requires_grad:
            raise CheckError(f"{forward.__name__}: nothing to derive: the result depends on no "
                             "floating-point tensor among the inputs")  # fmt: skip
        dout = _upstream(out)
        session.recorder.ask((out,), (dout,))
    if session.recorder.failures:
        raise CheckError(f"{forward.__name__} could not be traced: {session.recorder.failures[0]}")
    with torch._C.DisableTorchFunction(), torch.enable_grad():
        trace = session.recorder.trace
        chosen = choose_pass(trace, forward.__name__)
        assert trace.of(Backward)
        derived = derive_pass(chosen, forward.__name__, fused, seed=("dout", dout))
    return _as_function(derived, forward, values)


def _as_function(
    derived: Derivation, forward: Callable[..., Any], values: Sequence[Any]
) -> Derivation:
    """Add the def line, and a return of the gradients of the inputs."""
    names = list(inspect.signature(forward).parameters)[: len(values)]
    gradient_names = {g.node: g.name for g in derived.gradients if g.verdict is not None}
    floating = [n for n, v in zip(names, values, strict=False)
                if isinstance(v, Tensor) and v.is_floating_point()]  # fmt: skip
    returned = ", ".join(gradient_names.get(name, "None") for name in floating)
    scope = {**vars(builtins), **inspect.getclosurevars(inspect.unwrap(forward)).globals}
    global_names = {k for k, v in scope.items() if k not in names and _is_global(v)}
    read = _read("\n".join(derived.lines)) - global_names - {"dout", "torch"}
    order = [n for n in names if n in read] + sorted(read - set(names))
    head = f"def {forward.__name__}_backward({', '.join(['dout', *order])}):"
    lines = (*derived.lines, f"return {returned}")
    fields = {k: getattr(derived, k) for k in ("file", "loss", "gradients", "missing", "errors")}
    return Derivation(lines=lines, head=head, **fields)


def _is_global(value: Any) -> bool:
    return isinstance(value, ModuleType | type) or callable(value)


def _read(source: str) -> set[str]:
    """Return the names that the lines read before they assign them."""
    bound: set[str] = set()
    free: set[str] = set()
    for statement in ast.parse(source).body:
        names = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
        free |= {n.id for n in names if isinstance(n.ctx, ast.Load)} - bound
        bound |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return free
