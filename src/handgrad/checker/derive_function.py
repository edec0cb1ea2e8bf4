"""`handgrad.derive` of a function: its backward pass as a function, to be pasted."""

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
    """Write the backward pass of a function whose body names its steps, run it, and judge it.

    `forward(*inputs)` (or `**inputs`) returns `out`, or `(out, ...)`. The inputs are copied, and
    what is a floating tensor among them is differentiated by. The result's text is a function of
    the gradient of `out` and of whatever its lines read; `.lines` are the lines alone, `.gradients`
    the verdicts, on the inputs given and a random gradient of `out`. `fused` undoes known blocks
    (softmax and cross-entropy, batch norm, layer norm) in closed form. Raises CheckError where the
    function has no source, returns no floating tensor, or nothing in it has a gradient.
    """
    session = Session()
    run = _instrumented(forward, session, "assign")
    given = inputs if isinstance(inputs, Mapping) else {}
    values = [_leaf(v) for v in (given.values() if given else inputs)]
    with session.recording():
        made = run(**dict(zip(given, values, strict=True))) if given else run(*values)
        out = made[0] if isinstance(made, tuple) else made
        if not isinstance(out, Tensor) or not out.is_floating_point():
            raise CheckError(f"{forward.__name__} must return a floating tensor first, not {out!r}")
        if not out.requires_grad:
            raise CheckError(f"{forward.__name__}: nothing to derive: what it returns depends on "
                             "no floating tensor among its inputs")  # fmt: skip
        dout = _upstream(out)
        session.recorder.ask((out,), (dout,))
    if session.recorder.failures:
        raise CheckError(f"{forward.__name__} could not be watched: {session.recorder.failures[0]}")
    with torch._C.DisableTorchFunction(), torch.enable_grad():
        trace = session.recorder.trace
        chosen = choose_pass(trace, forward.__name__)
        assert trace.of(Backward)
        derived = derive_pass(chosen, forward.__name__, fused, seed=("dout", dout))
    return _as_function(derived, forward, values)


def _as_function(
    derived: Derivation, forward: Callable[..., Any], values: Sequence[Any]
) -> Derivation:
    """Give the lines a head, and a return of the inputs' gradients."""
    names = list(inspect.signature(forward).parameters)[: len(values)]
    own = {g.node: g.name for g in derived.gradients if g.verdict is not None}
    graded = [n for n, v in zip(names, values, strict=False)
              if isinstance(v, Tensor) and v.is_floating_point()]  # fmt: skip
    returned = ", ".join(own.get(name, "None") for name in graded)
    around = {**vars(builtins), **inspect.getclosurevars(inspect.unwrap(forward)).globals}
    outside = {k for k, v in around.items() if k not in names and _is_global(v)}
    read = _read("\n".join(derived.lines)) - outside - {"dout", "torch"}
    order = [n for n in names if n in read] + sorted(read - set(names))
    head = f"def {forward.__name__}_backward({', '.join(['dout', *order])}):"
    lines = (*derived.lines, f"return {returned}")
    fields = {k: getattr(derived, k) for k in ("file", "loss", "gradients", "missing", "errors")}
    return Derivation(lines=lines, head=head, **fields)


def _is_global(value: Any) -> bool:
    return isinstance(value, ModuleType | type) or callable(value)


def _read(source: str) -> set[str]:
    """Return the names that lines read before they set them."""
    bound: set[str] = set()
    free: set[str] = set()
    for statement in ast.parse(source).body:
        names = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
        free |= {n.id for n in names if isinstance(n.ctx, ast.Load)} - bound
        bound |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return free
