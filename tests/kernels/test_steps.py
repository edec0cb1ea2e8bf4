"""Kernels that compute one character of each word, against the `step` of the layer."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from handgrad.engine.compiled.names import TEAM
from handgrad.engine.compiled.team import Team
from handgrad.kernels import KERNELS
from handgrad.kernels.jit import called
from handgrad.layers import LAYERS
from handgrad.verify.cases import Case, layer_cases
from layers.test_steps import equal_words

STEPPING = ["attention", "rnn", "gru", "lstm"]
CASES = [
    pytest.param(name, case, id=f"{name}, {case.name}")
    for name in STEPPING
    for case in layer_cases(name)
    if case.name in ("makemore", "ones", "one word", "primes", "non-contiguous")
]
# float64: sums of a few hundred terms of size 1, in another order
TIGHT = {"rtol": 1e-11, "atol": 1e-12}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_steps_agree_with_the_layer(name: str, case: Case) -> None:
    inputs, is_rows, count, length = equal_words(name, case)
    layer, kernel = LAYERS[name], KERNELS[name]
    parameters = inspect.signature(kernel.step.py_func).parameters
    compiled = compiled_step(name)
    ours = [held_for(name, case, inputs, is_rows, count, length) for _ in (1, 3)]
    carried: dict[str, Tensor] = {}
    for t in range(length):
        now = [
            x.view(count, length, -1)[:, t] if by else x
            for x, by in zip(inputs, is_rows, strict=True)
        ]
        now[layer.INPUTS.index("offsets")] = None
        out, carried = case.of(layer.step)(*now, t=t, carried=carried)
        for held, threads in zip(ours, (1, 3), strict=True):
            for local, x, by in zip(layer.INPUTS, now, is_rows, strict=True):
                if by:
                    held[local][...] = x.numpy()
            arguments = [(held | {"t": t})[local] for local in parameters if local not in TEAM]
            Team(threads).run(lambda *of, given=arguments: compiled(*given, *of), threads)
            np.testing.assert_allclose(held[layer.NODES[-1]], out.numpy(), **TIGHT)


@cache
def compiled_step(name: str) -> Callable[..., Any]:
    kernel = KERNELS[name]
    return called(lambda *arguments: kernel.step(*arguments))


def held_for(
    name: str, case: Case, inputs: list[Tensor], is_rows: list[bool], count: int, length: int
) -> dict[str, Any]:
    """Return the arrays of a step's arguments, for `count` words of at most `length`."""
    layer, kernel = LAYERS[name], KERNELS[name]
    held: dict[str, Any] = {}
    for local, x, by in zip(layer.INPUTS, inputs, is_rows, strict=True):
        held[local] = np.empty((count, x.shape[1])) if by else np.ascontiguousarray(x.numpy())
    shapes = [x.shape for x in held.values()]
    given = {**case.attributes, "longest": length}
    for function in (kernel.memory, kernel.carried):
        taken = inspect.signature(function).parameters
        needed = function(*shapes, **{k: v for k, v in given.items() if k in taken})
        held |= {local: np.full(shape, np.nan) for local, shape in needed.items()}
    return held | case.attributes


def test_all_layers_that_step_are_here() -> None:
    """Except those whose step is a lookup or a mean."""
    every = {name for name, layer in LAYERS.items() if hasattr(layer, "step")}
    assert every - {"position_embedding", "causal_mean"} == set(STEPPING)
