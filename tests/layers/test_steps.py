"""Layers whose output depends on earlier characters: one character at a time equals the whole."""

import pytest
import torch
from torch import Tensor

from handgrad.layers import LAYERS
from handgrad.verify.cases import Case, layer_cases
from handgrad.verify.cases.kinds import words

STEPPING = [name for name, layer in LAYERS.items() if hasattr(layer, "step")]
CASES = [
    pytest.param(name, case, id=f"{name}, {case.name}")
    for name in STEPPING
    for case in layer_cases(name)
]
# float64: sums of at most a hundred terms of size 1, in another order
TIGHT = {"rtol": 1e-12, "atol": 1e-12}


def equal_words(name: str, case: Case) -> tuple[list[Tensor], list[bool], int, int]:
    """Return the case's inputs, cut to words of one length; which are rows; B and the length."""
    named = dict(zip(LAYERS[name].INPUTS, case.inputs, strict=False))
    offsets = named["offsets"]
    count, length = len(offsets) - 1, int(offsets.diff().min())
    rows = (offsets[:-1, None] + torch.arange(length)).flatten()
    is_rows = [k in ("x", "q", "k", "v") for k in named]
    named["offsets"] = words(*[length] * count)
    cut = [x[rows] if by else x for x, by in zip(named.values(), is_rows, strict=True)]
    return cut, is_rows, count, length


@pytest.mark.parametrize(("name", "case"), CASES)
def test_steps_equal_the_whole(name: str, case: Case) -> None:
    layer = LAYERS[name]
    inputs, is_rows, count, length = equal_words(name, case)
    whole, _ = case.of(layer.forward)(*inputs)
    position = LAYERS[name].INPUTS.index("offsets")
    carried: dict[str, Tensor] = {}
    for t in range(length):
        now = [
            x.view(count, length, -1)[:, t] if by else x
            for x, by in zip(inputs, is_rows, strict=True)
        ]
        now[position] = None
        out, carried = case.of(layer.step)(*now, t=t, carried=carried)
        torch.testing.assert_close(out, whole.view(count, length, -1)[:, t], **TIGHT)


def test_there_are_layers_that_step() -> None:
    assert {"position_embedding", "causal_mean"} <= set(STEPPING)
