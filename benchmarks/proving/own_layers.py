"""The library's own layers as correct programs, on which the checker must raise no alarm."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
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
    halves = ("forward", "backward", "forward_chunked", "backward_chunked")
    bound = {half: case.of(getattr(LAYERS[layer], half)) for half in halves}
    given = {"torch": torch, "layer": SimpleNamespace(**bound)}
    douts = upstream(layer, case)
    douts = (douts,) if isinstance(douts, torch.Tensor) else douts
    names = zip(_outputs(layer), douts, strict=True)
    given |= {f"upstream_{name}": dout.to(dtype) for name, dout in names}
    inputs = zip(LAYERS[layer].INPUTS, case.inputs, strict=False)
    return given | {f"given_{name}": _as(value, dtype) for name, value in inputs}


def _as(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return value.to(dtype) if value.is_floating_point() else value


def _hands(layer: str, case: Case, form: str) -> tuple[str, ...]:
    """Return the gradients of a form: those of the inputs and, if chunked, of every step."""
    module = LAYERS[layer]
    pairs = zip(module.INPUTS, case.inputs, strict=False)
    floats = [name for name, value in pairs if value.is_floating_point()]
    steps = module.NODES[: -len(_outputs(layer))] if form == "chunked" else ()
    return tuple(f"d{name}" for name in (*floats, *steps))


def _outputs(layer: str) -> tuple[str, ...]:
    """Return the names of the layer's outputs."""
    outputs: tuple[str, ...] = getattr(LAYERS[layer], "OUTPUTS", LAYERS[layer].NODES[-1:])
    return outputs


def _source(layer: str, case: Case, form: str, hands: tuple[str, ...]) -> str:
    """Return the program: every step with a name, then every gradient of the form."""
    module = LAYERS[layer]
    inputs, outputs = module.INPUTS[: len(case.inputs)], _outputs(layer)
    leaves = {n: ".requires_grad_()" if f"d{n}" in hands else "" for n in inputs}
    lines = [f"{name} = given_{name}{leaf}" for name, leaf in leaves.items()]
    given = f"({', '.join(outputs)})" if outputs[1:] else outputs[0]
    lines.append(f"{given}, cache = layer.forward_chunked({', '.join(inputs)})")
    steps = module.NODES[: -len(outputs)]
    lines += [f'{step} = cache["{step}"]' for step in steps]
    total = " + ".join(f"({out} * upstream_{out}).sum()" for out in outputs)
    lines += [f"total_loss = {total}", "total_loss.backward()", "with torch.no_grad():"]
    lines += [f"    d{out} = upstream_{out}.clone()" for out in outputs]
    douts = ", ".join(f"d{out}" for out in outputs)
    douts = f"({douts})" if outputs[1:] else douts
    if form == "chunked":
        lines.append(f"    gradients = layer.backward_chunked({douts}, cache)")
        lines += [f'    {hand} = gradients["{hand[1:]}"]' for hand in hands]
    else:
        lines.append(f"    _, kept = layer.forward({', '.join(inputs)})")
        targets = "".join(f"d{n}, " if f"d{n}" in hands else "_, " for n in module.INPUTS)
        lines.append(f"    {targets}= layer.backward({douts}, kept)")
    return "\n".join(lines) + "\n"
