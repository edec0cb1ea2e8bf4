"""A user's function compiled again with hooks, the inputs that it gets, and its first output."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.capture import Recorder
from handgrad.checker.record.carriers import is_array, tensor_of
from handgrad.checker.record.entering import entering
from handgrad.checker.record.instrument import Instrumenter, Statement
from handgrad.checker.record.targets import HOOK, Kind
from handgrad.checker.records import Place
from handgrad.errors import CheckError

Function = Callable[..., Any]


def instrumented(function: Function, recorder: Recorder, parameters: Kind) -> Function:
    """Return the function compiled again from its source, with hooks that call `recorder`.

    `parameters` is that of Instrumenter. Raises CheckError if there is no source.
    """
    try:
        lines, first = inspect.getsourcelines(function)
        source = "\n" * (max(first, 1) - 1) + textwrap.dedent("".join(lines))
        tree = ast.parse(source)
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
    instrumenter = Instrumenter(recorder.statements, None, source, parameters)
    tree = instrumenter.module(tree)
    tree = entering(tree) if recorder.has_arrays else tree
    code = compile(tree, inspect.getfile(function), "exec")
    original = inspect.unwrap(function)
    closure = inspect.getclosurevars(original).nonlocals
    names = {**original.__globals__, **closure, HOOK: recorder}
    exec(code, names)
    copy = names[definition.name]
    copy.__defaults__, copy.__kwdefaults__ = original.__defaults__, original.__kwdefaults__
    return copy  # type: ignore[no-any-return]


def arguments(
    inputs: Sequence[Any] | Mapping[str, Any], recorder: Recorder
) -> tuple[list[Any], dict[str, Any]]:
    """Return positional and keyword arguments: copies of tensors that require gradients, and of
    NumPy's arrays.
    """
    if isinstance(inputs, Mapping):
        return [], {name: _leaf(value, recorder) for name, value in inputs.items()}
    return [_leaf(value, recorder) for value in inputs], {}


def by_parameter(
    function: Function, positional: Sequence[Any], keyword: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments by the names of the function's parameters, in their order."""
    names = inspect.signature(function).parameters
    given = {**dict(zip(names, positional, strict=False)), **keyword}
    return {name: given[name] for name in names if name in given}


def floating(inputs: Mapping[str, Any]) -> list[str]:
    """Return the names of the floating-point tensors, the inputs that have gradients."""
    values = [(name, tensor_of(value)) for name, value in inputs.items()]
    return [n for n, x in values if isinstance(x, Tensor) and x.is_floating_point()]


def first_output(function: Function, result: Any) -> Tensor:
    """Return `out` of a `result` that is `out` or `(out, ...)`.

    Raises CheckError if it is not a floating-point tensor.
    """
    returned = result[0] if isinstance(result, tuple) else result
    out = tensor_of(returned)
    if not isinstance(out, Tensor) or not out.is_floating_point():
        raise CheckError(
            f"{function.__name__} must return a floating-point tensor first, not {returned!r}"
        )
    return out


def upstream_of(out: Tensor) -> Tensor:
    """Return a gradient of `out`: 1 for a scalar, random numbers otherwise."""
    if out.dim() == 0:
        return torch.ones_like(out, requires_grad=False)
    draw = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    return draw.to(device=out.device, dtype=out.dtype)


def ask(recorder: Recorder, out: Tensor, upstream: Tensor) -> Any:
    """Record the backward pass from `out`, whose gradient is `upstream`.

    Return `upstream` as the user's backward function takes it: an array where `out` is one. There,
    autograd has no graph, and the pass is that of the number sum(out * upstream).
    """
    if not is_array(out):
        recorder.ask((out,), (upstream,))
        return upstream
    given = recorder.tracked(upstream.numpy().copy())
    loss = out
    if out.dim():
        with torch._C.DisableTorchFunction():
            product = out * tensor_of(given)
            recorder.computed(torch.mul, (out, tensor_of(given)), {}, product)
            loss = product.sum()
            recorder.computed(torch.sum, (product,), {}, loss)
    recorder.known(Statement(Place(1), ""), {"loss": loss})
    return given if out.dim() else given[()]


def _leaf(value: Any, recorder: Recorder) -> Any:
    if type(value).__module__ == "numpy" and hasattr(value, "copy"):
        return recorder.tracked(value.copy())
    if not isinstance(value, Tensor):
        return value
    return value.detach().clone().requires_grad_(value.is_floating_point())
