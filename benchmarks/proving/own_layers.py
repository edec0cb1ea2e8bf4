"""The library's own layers as correct programs, on which the checker must raise no alarm."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from handgrad.layers import LAYERS
from handgrad.verify.cases import Case, layer_cases, upstream


@dataclass(frozen=True)
class LayerPass:
    """A layer's forward and backward on one case: `source`, run with `names`."""

    layer: str
    case: str
    form: str
    source: str
    names: dict[str, Any]
    hands: tuple[str, ...]


def layer_passes(dtype: torch.dtype) -> Iterator[LayerPass]:
    """Yield every layer, chunked and fused, on every case of `handgrad verify`."""
    for layer in LAYERS:
        for case in layer_cases(layer):
            for form in ("chunked", "fused"):
                hands, names = _hands(layer, case, form), _names(layer, case, dtype)
                source = _source(layer, case, form, hands)
                yield LayerPass(layer, case.name, form, source, names, hands)


def _names(layer: str, case: Case, dtype: torch.dtype) -> dict[str, Any]:
    given = {"torch": torch, "layer": LAYERS[layer], "upstream": upstream(layer, case).to(dtype)}
    inputs = zip(LAYERS[layer].INPUTS, case.inputs, strict=False)
    return given | {f"given_{name}": _as(value, dtype) for name, value in inputs}


def _as(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return value.to(dtype) if value.is_floating_point() else value


def _hands(layer: str, case: Case, form: str) -> tuple[str, ...]:
    """Return the gradients of a form: those of the inputs and, if chunked, of every step."""
    module = LAYERS[layer]
    pairs = zip(module.INPUTS, case.inputs, strict=False)
    floats = [name for name, value in pairs if value.is_floating_point()]
    steps = module.NODES[:-1] if form == "chunked" else ()
    return tuple(f"d{name}" for name in (*floats, *steps))


def _source(layer: str, case: Case, form: str, hands: tuple[str, ...]) -> str:
    """Return the program: every step with a name, then every gradient of the form."""
    module = LAYERS[layer]
    inputs, out = module.INPUTS[: len(case.inputs)], module.NODES[-1]
    leaves = {n: ".requires_grad_()" if f"d{n}" in hands else "" for n in inputs}
    lines = [f"{name} = given_{name}{leaf}" for name, leaf in leaves.items()]
    lines.append(f"{out}, cache = layer.forward_chunked({', '.join(inputs)})")
    lines += [f'{step} = cache["{step}"]' for step in module.NODES[:-1]]
    lines += [f"total_loss = ({out} * upstream).sum()", "total_loss.backward()"]
    lines += ["with torch.no_grad():", f"    d{out} = upstream.clone()"]
    if form == "chunked":
        lines.append(f"    gradients = layer.backward_chunked(d{out}, cache)")
        lines += [f'    {hand} = gradients["{hand[1:]}"]' for hand in hands]
    else:
        lines.append(f"    _, kept = layer.forward({', '.join(inputs)})")
        targets = "".join(f"d{n}, " if f"d{n}" in hands else "_, " for n in module.INPUTS)
        lines.append(f"    {targets}= layer.backward(d{out}, kept)")
    return "\n".join(lines) + "\n"
