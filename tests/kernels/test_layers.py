"""Every kernel against the layer with its name, its specification."""

import inspect
from collections.abc import Callable
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from handgrad.engine.compiled.names import TEAM
from handgrad.engine.compiled.team import Team
from handgrad.kernels import KERNELS
from handgrad.kernels.jit import called
from handgrad.layers import LAYERS
from handgrad.verify.cases import Case, layer_cases, upstream

# float64: closed forms of a few thousand terms of size 1, summed in another order
TIGHT = {"rtol": 1e-10, "atol": 1e-12}
Arrays = dict[str, np.ndarray]
CASES = [
    pytest.param(name, case, id=f"{name}, {case.name}")
    for name in KERNELS
    if not getattr(KERNELS[name], "VIEW", False)
    for case in layer_cases(name)
    if case.name != "three dimensions"  # a kernel's rows are given as rows
]


ADDING = [row for row in CASES if hasattr(KERNELS[row.values[0]], "ADDS")]


def test_every_layer_has_a_kernel() -> None:
    assert list(KERNELS) == list(LAYERS)
    for name, kernel in KERNELS.items():
        assert LAYERS[name].NODES == kernel.NODES, name
        taken = inspect.signature(kernel.memory).parameters.values()
        inputs = tuple(x.name for x in taken if x.kind is not x.KEYWORD_ONLY)
        assert inputs == LAYERS[name].INPUTS, name


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_kernel_agrees_with_its_layer(name: str, case) -> None:
    layer, kernel = LAYERS[name], KERNELS[name]
    inputs = [x.double() if x.is_floating_point() else x for x in case.inputs]
    out, cache = case.of(layer.forward)(*inputs)
    dout = upstream(name, case)
    expected = dict(zip(layer.INPUTS, case.of(layer.backward)(dout, cache), strict=False))

    given = {k: _array(x) for k, x in zip(layer.INPUTS, inputs, strict=False)}
    several = isinstance(out, tuple)
    outs, douts = (out, dout) if several else ((out,), (dout,))
    outputs = layer.NODES[-len(outs) :]
    upstreams = {k: _array(x) for k, x in zip(outputs, douts, strict=True)}
    alone = _made(kernel, case, given, upstreams, threads=1)
    for output, x in zip(outputs, outs, strict=True):
        made = alone["made"] if output == "loss" else alone[output]
        # a kernel's activations are matrices of rows
        np.testing.assert_allclose(made.reshape(x.shape), x.numpy(), **TIGHT)
    for local, gradient in expected.items():
        if gradient is not None:
            # a loss's own gradient is 1 where it is compiled
            scale = dout.numpy() if outputs == ("loss",) else 1
            made = alone[f"d{local}"].reshape(gradient.shape)
            np.testing.assert_allclose(made * scale, gradient.numpy(), **TIGHT)
    for threads in (2, 5):
        together = _made(kernel, case, given, upstreams, threads)
        for local, value in alone.items():
            if local not in getattr(kernel, "PER_THREAD", ()):
                np.testing.assert_array_equal(together[local], value, err_msg=local)


@pytest.mark.parametrize(
    ("name", "case"), [p for p in CASES if hasattr(KERNELS[p.values[0]], "ADDS")]
)
def test_a_kernel_adds_to_gradients(name: str, case: Case) -> None:
    layer, kernel = LAYERS[name], KERNELS[name]
    given = {k: _array(x) for k, x in zip(layer.INPUTS, case.inputs, strict=False)}
    upstreams = {layer.NODES[-1]: _array(upstream(name, case))}
    alone = _made(kernel, case, given, upstreams, threads=1)
    added = _made(kernel, case, given, upstreams, threads=1, before=3.0)
    for local in kernel.ADDS:
        # adding 3 costs the digits of what is far below 1
        np.testing.assert_allclose(added[f"d{local}"] - 3, alone[f"d{local}"], 1e-10, 1e-11)


def _made(
    kernel: ModuleType,
    case: Case,
    given: Arrays,
    upstreams: Arrays,
    threads: int,
    before: float | None = None,
) -> Arrays:
    """Return everything that forward and backward write, and "made", a loss's mean.

    Backward adds to the gradients in ADDS, if they are `before` in every element before it.
    """
    held: dict[str, Any] = dict(given)
    shapes = _of(case, given, kernel.memory)(*(x.shape for x in held.values()))
    for local, shape in shapes.items():
        held[local] = np.full(shape, np.nan)  # so that what is read before it is written is seen
    if "b" in shapes:
        held["b"] = np.zeros(shapes["b"])
    held |= {f"d{k}": np.full(x.shape, np.nan) for k, x in held.items() if x.dtype == np.float64}
    for output, dout in upstreams.items():
        held[f"d{output}"] = dout.reshape(held[output].shape) if output in held else dout
    if before is not None:
        held |= {f"d{k}": np.full(held[k].shape, before) for k in kernel.ADDS}
    held |= case.attributes
    own = getattr(kernel, "PER_THREAD", ())
    scratch = [{local: np.full(shapes[local], np.nan) for local in own} for _ in range(threads)]
    team = Team(threads)
    for function in (kernel.forward, kernel.backward):
        names = [*inspect.signature(function.py_func).parameters][: -len(TEAM)]
        held.update((name, before is not None) for name in names if name.startswith("add_"))
        compiled = _compiled(function)
        team.run(
            lambda thread, table, names=names, compiled=compiled: compiled(
                *[(held | scratch[thread])[name] for name in names], thread, table
            ),
            threads,
        )
    if "loss" in upstreams:
        names = [*inspect.signature(kernel.mean.py_func).parameters]
        held["made"] = np.array(_compiled(kernel.mean)(*[held[name] for name in names]))
    return {k: x for k, x in held.items() if isinstance(x, np.ndarray)}


def _of(case: Case, given: Arrays, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `memory` with the case's attributes; the longest word is the longest of the case."""
    longest = int(np.diff(given["offsets"]).max()) if "offsets" in given else 0
    taken = inspect.signature(function).parameters
    attributes = {**case.attributes, "longest": longest}
    return partial(function, **{k: v for k, v in attributes.items() if k in taken})


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return called(lambda *arguments: function(*arguments))


def _array(x: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.numpy())
