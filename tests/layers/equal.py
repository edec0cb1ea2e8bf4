"""Cases of layers on words, cut to words of one length, and one character of each."""

import torch
from torch import Tensor

from handgrad.layers import LAYERS
from handgrad.verify.cases import Case
from handgrad.verify.cases.kinds import words

ROWS = ("x", "q", "k", "v")
"""Inputs with a row for each character."""


def equal_words(name: str, case: Case) -> tuple[dict[str, Tensor], int, int]:
    """Return the inputs by name, the number of words and their length, the shortest word's."""
    inputs = dict(zip(LAYERS[name].INPUTS, case.inputs, strict=False))
    offsets = inputs["offsets"]
    count, length = len(offsets) - 1, int(offsets.diff().min())
    rows = (offsets[:-1, None] + torch.arange(length)).flatten()
    inputs |= {local: inputs[local][rows] for local in ROWS if local in inputs}
    inputs["offsets"] = words(*[length] * count)
    return inputs, count, length


def at(t: int, inputs: dict[str, Tensor], count: int) -> dict[str, Tensor | None]:
    """Return the inputs at character t of each word; offsets are None."""
    now = {
        local: x.view(count, -1, x.shape[1])[:, t] if local in ROWS else x
        for local, x in inputs.items()
    }
    return {**now, "offsets": None}
