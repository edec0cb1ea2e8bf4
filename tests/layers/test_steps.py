"""Layers whose output depends on earlier characters: one character at a time equals the whole."""

import pytest
import torch
from torch import Tensor

from handgrad.layers import LAYERS
from handgrad.verify.cases import Case, layer_cases
from layers.equal import at, equal_words

STEPPING = [name for name, layer in LAYERS.items() if hasattr(layer, "step")]
CASES = [
    pytest.param(name, case, id=f"{name}, {case.name}")
    for name in STEPPING
    for case in layer_cases(name)
]
# float64: sums of at most a hundred terms of size 1, in another order
TIGHT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_steps_equal_the_whole(name: str, case: Case) -> None:
    layer = LAYERS[name]
    inputs, count, length = equal_words(name, case)
    whole, _ = case.of(layer.forward)(*inputs.values())
    carried: dict[str, Tensor] = {}
    for t in range(length):
        now = at(t, inputs, count)
        out, carried = case.of(layer.step)(*now.values(), t=t, carried=carried)
        torch.testing.assert_close(out, whole.view(count, length, -1)[:, t], **TIGHT)


def test_there_are_layers_that_step() -> None:
    assert {"position_embedding", "causal_mean"} <= set(STEPPING)
