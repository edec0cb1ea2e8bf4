"""A batch of words is shorter than the memory that is made for it: results are the same."""

import inspect
from functools import partial
from typing import Any

import numpy as np
import pytest

from handgrad.engine.compiled.names import TEAM
from handgrad.engine.compiled.team import ALONE
from handgrad.kernels import KERNELS
from handgrad.layers import LAYERS
from handgrad.verify.cases import Case, layer_cases, upstream
from kernels.test_layers import _compiled

Arrays = dict[str, Any]
CASES = [
    pytest.param(name, case, id=f"{name}, {case.name}")
    for name in ("attention", "rnn", "gru", "lstm")
    for case in layer_cases(name)
    if case.name in ("primes", "longer than is kept", "truncated")
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_memory_may_be_longer_than_the_batch(name: str, case: Case) -> None:
    exact = results(name, case, more=0)
    for more in (1, 37, 200):
        for local, x in results(name, case, more).items():
            np.testing.assert_array_equal(x, exact[local], err_msg=f"{local}, {more} more rows")


def results(name: str, case: Case, more: int) -> Arrays:
    """Return output and gradients, with memory for `more` rows; all memory is NaN at first."""
    layer, kernel = LAYERS[name], KERNELS[name]
    given = zip(layer.INPUTS, case.inputs, strict=True)
    held: Arrays = {local: np.ascontiguousarray(x.numpy()) for local, x in given}
    rows = int(held["offsets"][-1])
    packed = [local for local, x in held.items() if len(x) == rows and x.ndim == 2]
    shapes = {local: x.shape for local, x in held.items()}
    taken = inspect.signature(kernel.memory).parameters
    memory = partial(kernel.memory, **{k: v for k, v in case.attributes.items() if k in taken})
    exact = memory(*shapes.values())
    shapes |= {local: (rows + more, *shapes[local][1:]) for local in packed}
    for local, shape in memory(*shapes.values()).items():
        longer = np.full(shape, np.nan)
        # the engine cuts what grows with the batch
        grows = shape == (rows + more, *exact[local][1:])
        held[local] = longer[: len(longer) - more] if grows else longer
    floats = [local for local in layer.INPUTS if local != "offsets"]
    held |= {f"d{local}": np.full_like(held[local], np.nan) for local in floats}
    output = layer.NODES[-1]
    held["dout"] = held[f"d{output}"] = np.ascontiguousarray(upstream(name, case).numpy())
    held |= case.attributes
    for function in (kernel.forward, kernel.backward):
        parameters = inspect.signature(function.py_func).parameters
        _compiled(function)(*[held[local] for local in parameters if local not in TEAM], *ALONE)
    wanted = [output, *(f"d{local}" for local in floats)]
    return {local: held[local] for local in wanted}
