"""The line that computes a gradient, so that a verdict can point at it."""

import inspect
from pathlib import Path

from handgrad.layers import LAYERS
from handgrad.models import Model


def line_of(layer: str, node: str) -> str | None:
    """Return `tanh.py:34: dhpreact = ...`, the last line of the chunked backward for d<node>."""
    function = LAYERS[layer].backward_chunked
    lines, first = inspect.getsourcelines(function)
    writes = [(i, text.strip()) for i, text in enumerate(lines) if _writes(text, f"d{node}")]
    if not writes:
        return None
    offset, text = writes[-1]
    return f"{Path(inspect.getfile(function)).name}:{first + offset}: {text}"


def line_in_model(model: Model, node: str) -> str | None:
    """Return the line for a model's node; for a parameter, that of the call that reads it."""
    for call in model.calls():
        layer = LAYERS[call.layer]
        names = [*zip(call.nodes[:-1], layer.NODES, strict=False)]
        names += zip(call.inputs, layer.INPUTS, strict=False)
        for name, local in names:
            if name == node:
                return line_of(call.layer, local)
    return None


def _writes(text: str, name: str) -> bool:
    return text.strip().startswith((f"{name} = ", f"{name} += ", f"{name}.", f"{name}["))
