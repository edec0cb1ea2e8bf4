"""The check in code: a `with handgrad.watch()` block, and `handgrad.check` of two functions."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from handgrad.checker.record import function
from handgrad.checker.record.carriers import tensor_of
from handgrad.checker.report.report import Report
from handgrad.checker.returned import name_returned, unreturned
from handgrad.checker.session import Session
from handgrad.checker.watch import Watcher


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
    positional, keyword = function.arguments(inputs, session.recorder)
    run_forward = function.instrumented(forward, session.recorder, "assign")
    run_backward = function.instrumented(backward, session.recorder, "param")
    named = function.by_parameter(forward, positional, keyword)
    with session.recording():
        result = run_forward(*positional, **keyword)
        out = function.first_output(forward, result)
        rest = result[1:] if isinstance(result, tuple) else ()
        dout = function.ask(session.recorder, out, function.upstream_of(out))
        returned = run_backward(*([dout] if _takes(backward) > len(rest) else []), *rest)
        gradients = returned if isinstance(returned, tuple | list) else (returned,)
        gradients = [tensor_of(gradient) for gradient in gradients]
        named = {name: tensor_of(value) for name, value in named.items()}
        name_returned(session, named, gradients)
    report = session.finish(f"{forward.__name__}, {backward.__name__}")
    return unreturned(report, session, backward.__name__, named, gradients)


def _takes(function: Callable[..., Any]) -> int:
    """Return the number of positional parameters without a default."""
    parameters = inspect.signature(function).parameters.values()
    return sum(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in parameters
    )
