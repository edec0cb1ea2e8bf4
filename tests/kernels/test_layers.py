"""Every kernel against the layer with its name, its specification."""

import inspect
from collections.abc import Callable
from functools import cache
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
from handgrad.verify.cases import layer_cases, upstream

# float64: closed forms of a few thousand terms of size 1, summed in another order
TIGHT = {"rtol": 1e-10, "atol": 1e-12}
Arrays = dict[str, np.ndarray]
CASES = [
    pytest.param(name, case, id=f"{name}, {case.name}")
    for name in KERNELS
    if name != "join"
    for case in layer_cases(name)
    if case.name != "three dimensions"  # a kernel's rows are given as rows
]


def test_every_layer_has_a_kernel() -> None:
    assert list(KERNELS) == list(LAYERS)
    for name, kernel in KERNELS.items():
        assert LAYERS[name].NODES == kernel.NODES, name
        taken = inspect.signature(kernel.memory).parameters
        assert tuple(taken) == LAYERS[name].INPUTS, name


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_kernel_agrees_with_its_layer(name: str, case) -> None:
    layer, kernel = LAYERS[name], KERNELS[name]
    inputs = [x.double() if x.is_floating_point() else x for x in case.inputs]
    out, cache = layer.forward(*inputs)
    dout = upstream(name, case).double()
    expected = dict(zip(layer.INPUTS, layer.backward(dout, cache), strict=False))

    given = {k: _array(x) for k, x in zip(layer.INPUTS, inputs, strict=False)}
    alone = _made(kernel, layer.NODES[-1], given, _array(dout), threads=1)
    np.testing.assert_allclose(alone["made"], out.numpy(), **TIGHT)
    for local, gradient in expected.items():
        if gradient is not None:
            # a loss's own gradient is 1 where it is compiled
            scale = dout.numpy() if layer.NODES[-1] == "loss" else 1
            np.testing.assert_allclose(alone[f"d{local}"] * scale, gradient.numpy(), **TIGHT)
    for threads in (2, 5):
        together = _made(kernel, layer.NODES[-1], given, _array(dout), threads)
        for local, value in alone.items():
            if local not in getattr(kernel, "PER_THREAD", ()):
                np.testing.assert_array_equal(together[local], value, err_msg=local)


def _made(kernel: ModuleType, output: str, given: Arrays, dout: np.ndarray, threads: int) -> Arrays:
    """Return everything that forward and backward write, and "made", the output."""
    held = dict(given)
    shapes = kernel.memory(*(x.shape for x in held.values()))
    for local, shape in shapes.items():
        held[local] = np.full(shape, np.nan)  # so that what is read before it is written is seen
    if "b" in shapes:
        held["b"] = np.zeros(shapes["b"])
    held |= {f"d{k}": np.full(x.shape, np.nan) for k, x in held.items() if x.dtype == np.float64}
    held[f"d{output}"] = held["dout"] = dout
    own = getattr(kernel, "PER_THREAD", ())
    scratch = [{local: np.full(shapes[local], np.nan) for local in own} for _ in range(threads)]
    team = Team(threads)
    for function in (kernel.forward, kernel.backward):
        names = [*inspect.signature(function.py_func).parameters][: -len(TEAM)]
        compiled = _compiled(function)
        team.run(
            lambda thread, table, names=names, compiled=compiled: compiled(
                *[(held | scratch[thread])[name] for name in names], thread, table
            ),
            threads,
        )
    is_loss = output == "loss"
    held["made"] = _compiled(kernel.mean)(held["per_row"]) if is_loss else held[output]
    return held


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return called(lambda *arguments: function(*arguments))


def _array(x: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.numpy())
