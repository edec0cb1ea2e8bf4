"""`handgrad.derive`: the backward pass of a function, as a function to paste."""

import ast
import builtins
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import torch

from handgrad.checker.record import function
from handgrad.checker.record.carriers import is_array
from handgrad.checker.session import Session
from handgrad.checker.write.derive.derive import array_pass, choose_pass, derive_pass
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
    positional, keyword = function.arguments(inputs, session.recorder)
    run = function.instrumented(forward, session.recorder, "assign")
    with session.recording():
        out = function.first_output(forward, run(*positional, **keyword))
        if not out.requires_grad and not is_array(out):
            raise CheckError(
                f"{forward.__name__}: nothing to derive: the result depends on no floating-point "
                "tensor among the inputs"
            )
        dout = function.upstream_of(out)
        if out.requires_grad:
            session.recorder.ask((out,), (dout,))
    if session.recorder.failures:
        raise CheckError(f"{forward.__name__} could not be traced: {session.recorder.failures[0]}")
    with torch._C.DisableTorchFunction(), torch.enable_grad():
        trace = session.recorder.trace
        if out.requires_grad:
            chosen = choose_pass(trace, forward.__name__)
        else:
            chosen = array_pass(trace, out, dout, forward.__name__)
        derived = derive_pass(chosen, forward.__name__, fused, seed=("dout", dout))
    return _as_function(derived, forward, function.by_parameter(forward, positional, keyword))


def _as_function(
    derived: Derivation, forward: Callable[..., Any], inputs: Mapping[str, Any]
) -> Derivation:
    """Add the def line, and a return of the gradients of the inputs."""
    gradient_names = {g.node: g.name for g in derived.gradients if g.verdict is not None}
    returned = ", ".join(gradient_names.get(n, "None") for n in function.floating(inputs))
    scope = {**vars(builtins), **inspect.getclosurevars(inspect.unwrap(forward)).globals}
    global_names = {k for k, v in scope.items() if k not in inputs and _is_global(v)}
    read = _read("\n".join(derived.lines)) - global_names - {"dout", "torch"}
    order = [n for n in inputs if n in read] + sorted(read - inputs.keys())
    head = f"def {forward.__name__}_backward({', '.join(['dout', *order])}):"
    lines = (*derived.lines, f"return {returned}")
    return replace(derived, lines=lines, head=head)


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
