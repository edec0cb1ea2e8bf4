"""Kernels that compute one character of each word, and those that differ in evaluation."""

import inspect
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from handgrad.engine.compiled.team import ALONE
from handgrad.kernels import KERNELS, dropout
from handgrad.kernels.jit import called
from handgrad.layers import LAYERS
from handgrad.verify.cases import Case, layer_cases
from layers.equal import at, equal_words

CASES = [
    pytest.param(name, case, id=f"{name}, {case.name}")
    for name, kernel in KERNELS.items()
    if hasattr(kernel, "step")
    for case in layer_cases(name)
]
# float64: sums of at most a hundred terms of size 1, in another order
TIGHT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_steps_equal_the_whole(name: str, case: Case) -> None:
    kernel = KERNELS[name]
    inputs, count, length = equal_words(name, case)
    whole, _ = case.of(LAYERS[name].forward)(*inputs.values())
    shapes = {k: x.shape for k, x in inputs.items()}
    shapes |= {k: x.shape for k, x in at(0, inputs, count).items() if x is not None}
    attributes = {**case.attributes, "longest": length}

    def needed(function: Any) -> dict[str, np.ndarray]:
        taken = inspect.signature(function).parameters
        given = partial(function, **{k: v for k, v in attributes.items() if k in taken})
        return {k: np.full(shape, np.nan) for k, shape in given(*shapes.values()).items()}

    held: dict[str, Any] = {**case.attributes, **needed(kernel.memory), **needed(kernel.carried)}
    names = [*inspect.signature(kernel.step.py_func).parameters][:-2]
    step = called(lambda *arguments: kernel.step(*arguments))
    for t in range(length):
        now = {k: _array(x) for k, x in at(t, inputs, count).items() if x is not None}
        known = held | now | {"t": t}
        step(*[known[k] for k in names], *ALONE)
        expected = whole.view(count, length, -1)[:, t]
        np.testing.assert_allclose(held[LAYERS[name].NODES[-1]], expected.numpy(), **TIGHT)


def test_layers_that_step_have_kernels_that_do() -> None:
    for name, kernel in KERNELS.items():
        assert hasattr(kernel, "step") == hasattr(kernel, "carried"), name
    stepping = {name for name, kernel in KERNELS.items() if hasattr(kernel, "step")}
    assert stepping <= {name for name, layer in LAYERS.items() if hasattr(layer, "step")}
    assert {"position_embedding", "causal_mean"} <= stepping


def test_dropout_in_evaluation_copies() -> None:
    x = np.random.default_rng(0).standard_normal((13, 7))
    out = np.full_like(x, np.nan)
    called(lambda *arguments: dropout.evaluate(*arguments))(x, out, *ALONE)
    np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_has_the_layers_bits(dtype: type) -> None:
    x = torch.randn(57, 64, dtype=torch.float64).numpy().astype(dtype)
    key, out = np.array([2**62 + 5, 77]), np.empty_like(x)
    called(lambda *arguments: dropout.forward(*arguments))(x, key, out, 0.3, 2, *ALONE)
    expected, _ = LAYERS["dropout"].forward(
        torch.from_numpy(x), torch.from_numpy(key), p=0.3, number=2
    )
    np.testing.assert_array_equal(out, expected.numpy())


def _array(x: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.numpy())
