"""The check in code: a `with handgrad.watch()` block, and `handgrad.check` of two functions."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.instrument import HOOK, Instrumenter
from handgrad.checker.record.targets import Target
from handgrad.checker.record.trace import Bind
from handgrad.checker.report.report import Report
from handgrad.checker.returned import placed, unreturned
from handgrad.checker.session import Session
from handgrad.checker.watch import Watcher
from handgrad.errors import CheckError


def watch(pairs: Mapping[str, str] | None = None, *, file: str | None = None) -> Watcher:
    """Watch the code of a `with` block, and judge its gradients by hand with `.check()`.

        with handgrad.watch() as w:
            h = torch.tanh(x @ W)
            loss = (h**2).mean()
            loss.backward()
            dh = 2 * h / h.numel()
            report = w.check()

    Everything inside is recorded, so leave training loops outside. `pairs` maps names of gradients
    to the tensors that they belong to, where the names do not show it: {"dout": "h"}. `check()`
    raises CheckError if there is nothing to judge.
    """
    return Watcher(sys._getframe(1), pairs, file)


def check(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Sequence[Any] | Mapping[str, Any],
    *,
    pairs: Mapping[str, str] | None = None,
) -> Report:
    """Judge a forward and a backward function whose bodies name their steps.

    `forward(*inputs)` (or `**inputs`) returns `out`, or `(out, ...)` with any number of values to
    pass on. `backward` is called with these values, preceded by the gradient of `out` if it takes
    one more argument: 1 for a scalar, random numbers otherwise. Unnamed values that it returns are
    the gradients of the inputs, in order. The inputs are copied first; gradients are those of the
    floating-point tensors among them. Raises CheckError if a function has no source, or if nothing
    in it is a gradient by hand.
    """
    session = Session(pairs)
    run_forward = _instrumented(forward, session, "assign")
    run_backward = _instrumented(backward, session, "param", returns=True)
    names = inputs if isinstance(inputs, Mapping) else {}
    values = [_leaf(v) for v in (inputs.values() if isinstance(inputs, Mapping) else inputs)]
    with session.recording():
        given = dict(zip(names, values, strict=True)) if names else {}
        made = run_forward(**given) if names else run_forward(*values)
        out, rest = (made[0], list(made[1:])) if isinstance(made, tuple) else (made, [])
        if not isinstance(out, Tensor) or not out.is_floating_point():
            raise CheckError(
                f"{forward.__name__} must return a floating-point tensor first, not {out!r}"
            )
        dout = _upstream(out)
        session.recorder.ask((out,), (dout,))
        returned = run_backward(*([dout] if _takes(backward) > len(rest) else []), *rest)
        _name_returned(session, forward, values, returned)
    report = session.finish(f"{forward.__name__}, {backward.__name__}")
    asked = _names_of(forward, values)
    return unreturned(report, session, backward.__name__, asked, _sequence(returned))


def _instrumented(
    function: Callable[..., Any], session: Session, parameters: Any, returns: bool = False
) -> Any:
    """Return the function compiled again from its source, with the hooks in it."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError) as error:
        name = getattr(function, "__name__", repr(function))
        raise CheckError(
            f"{name} has no source code to read its steps from: define it with def, in a file or "
            f"cell"
        ) from error
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise CheckError(f"{function!r} is not a function defined with def")
    definition.decorator_list = []
    ast.increment_lineno(tree, max(first, 1) - 1)
    source = "\n" * (max(first, 1) - 1) + textwrap.dedent("".join(lines))
    instrumenter = Instrumenter(session.statements, None, source, parameters, returns)
    code = compile(instrumenter.module(tree), inspect.getfile(function), "exec")
    own = inspect.unwrap(function)
    space = {**own.__globals__, **inspect.getclosurevars(own).nonlocals, HOOK: session.hook}
    exec(code, space)
    made = space[definition.name]
    made.__defaults__, made.__kwdefaults__ = own.__defaults__, own.__kwdefaults__
    return made


def _name_returned(
    session: Session, forward: Callable[..., Any], inputs: Sequence[Any], returned: Any
) -> None:
    """Name the unnamed gradients that `backward` returned after the inputs of `forward`."""
    found = session.recorder.returned
    pairs = placed(_names_of(forward, inputs), _sequence(returned))
    named = {id(bind.value) for bind in session.recorder.trace.of(Bind) if bind.kind != "param"}
    own = {f"d{n}": g for n, g in pairs if isinstance(g, Tensor) and id(g) not in named}
    if own and found is not None:
        targets = tuple(Target(f"d{name}", "assign") for name, _ in pairs)
        session.recorder.known(replace(found[0], targets=targets), own, found[1])


def _names_of(forward: Callable[..., Any], inputs: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(inspect.signature(forward).parameters, inputs, strict=False))


def _sequence(returned: Any) -> Sequence[Any]:
    return returned if isinstance(returned, tuple | list) else (returned,)


def _takes(function: Callable[..., Any]) -> int:
    parameters = inspect.signature(function).parameters.values()
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
               for p in parameters)  # fmt: skip


def _leaf(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.detach().clone()
        return value.requires_grad_() if value.is_floating_point() else value
    return value


def _upstream(out: Tensor) -> Tensor:
    if out.dim() == 0:
        return torch.ones_like(out, requires_grad=False)
    draw = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    return draw.to(device=out.device, dtype=out.dtype)
