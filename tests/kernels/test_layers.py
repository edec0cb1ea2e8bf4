"""Every kernel against the layer of its name, which specifies it."""

import inspect

import numpy as np
import pytest
import torch

from handgrad.kernels import KERNELS
from handgrad.kernels.jit import called
from handgrad.layers import LAYERS
from handgrad.verify.cases import layer_cases, upstream

# float64: closed forms of a few thousand terms of size 1, summed in another order
TIGHT = {"rtol": 1e-10, "atol": 1e-12}
CASES = [
    pytest.param(name, case, id=f"{name}, {case.name}")
    for name in KERNELS
    if name != "join"
    for case in layer_cases(name)
    if case.name != "three dimensions"  # a kernel's rows are given as rows
]


def test_they_are_the_layers() -> None:
    assert list(KERNELS) == list(LAYERS)
    for name, kernel in KERNELS.items():
        assert LAYERS[name].NODES == kernel.NODES, name
        taken = inspect.signature(kernel.memory).parameters
        assert tuple(taken) == LAYERS[name].INPUTS, name


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_kernel_is_its_layer(name: str, case) -> None:
    layer, kernel = LAYERS[name], KERNELS[name]
    inputs = [x.double() if x.is_floating_point() else x for x in case.inputs]
    out, cache = layer.forward(*inputs)
    dout = upstream(name, case).double()
    expected = dict(zip(layer.INPUTS, layer.backward(dout, cache), strict=False))

    held = {k: _array(x) for k, x in zip(layer.INPUTS, inputs, strict=False)}
    shapes = kernel.memory(*(x.shape for x in held.values()))
    for local, shape in shapes.items():
        held[local] = np.full(shape, np.nan)  # so that what is read before it is written is seen
    if "b" in shapes:
        held["b"] = np.zeros(shapes["b"])
    held |= {f"d{k}": np.full(x.shape, np.nan) for k, x in held.items() if x.dtype == np.float64}
    held[f"d{layer.NODES[-1]}"] = held["dout"] = _array(dout)
    loss = _call(kernel.forward, held)
    _call(kernel.backward, held)
    made = loss if layer.NODES[-1] == "loss" else held[layer.NODES[-1]]
    np.testing.assert_allclose(made, out.numpy(), **TIGHT)
    for local, gradient in expected.items():
        if gradient is not None:
            # a loss's own gradient is 1 where it is compiled
            scale = dout.numpy() if layer.NODES[-1] == "loss" else 1
            np.testing.assert_allclose(held[f"d{local}"] * scale, gradient.numpy(), **TIGHT)


def _array(x: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.numpy())


def _call(function, held: dict[str, np.ndarray]) -> float | None:
    arguments = [held[name] for name in inspect.signature(function.py_func).parameters]
    return called(lambda *arguments: function(*arguments))(*arguments)
