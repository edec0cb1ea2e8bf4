"""What `handgrad verify` runs: every layer and model, every engine, every named gradient."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from handgrad.engine import CPU_ONLY, ENGINES, Batch, Engine, State, to_tensors
from handgrad.engine.autograd import Autograd
from handgrad.engine.chunked import Chunked
from handgrad.layers import LAYERS, Layer
from handgrad.models import Model
from handgrad.verify.cases import Case, layer_cases, upstream
from handgrad.verify.judged import JudgedGradient, Tensors, judge_all
from handgrad.verify.models import MODEL_CASES, is_compiled_in, random_batch

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def verify_layers(
    dtype: torch.dtype, device: str = "cpu", seed: int = 0, names: Iterable[str] = tuple(LAYERS)
) -> Iterator[JudgedGradient]:
    """Verify every layer, or those in `names`, chunked and fused, on every awkward case."""
    for name in names:
        for case in layer_cases(name, seed):
            for engine in ("chunked", "fused"):
                yield from _verify_layer(name, case, engine, dtype, device)


def verify_models(
    dtype: torch.dtype, device: str = "cpu", seed: int = 0, cases: Iterable[str] = MODEL_CASES
) -> Iterator[JudgedGradient]:
    """Verify the models of `cases` with every hand-written engine, no parameter zero.

    Those in `COMPILED` with the compiled engine too.
    """
    for case in cases:
        model, batch_size = MODEL_CASES[case]
        params, state = (
            to_tensors(arrays, dtype, device) for arrays in model.initialise("exercise", seed)
        )
        generator = torch.Generator().manual_seed(seed)
        held = random_batch(model, batch_size, generator).named()
        batch = Batch(**{name: tensor.to(device) for name, tensor in held.items()})
        for engine in ENGINES:
            runs = device == "cpu" and is_compiled_in(case, dtype)
            if engine != "autograd" and (runs or engine not in CPU_ONLY):
                yield from verify_batch(ENGINES[engine](model), model, params, state, batch, case)


def verify_batch(
    engine: Engine, model: Model, params: Tensors, state: State, batch: Batch, case: str = "batch"
) -> list[JudgedGradient]:
    """Judge the gradients of `engine` on one batch: of all nodes if it keeps them, else of params.

    In float64 the fused engine, its specification, stands in for the compiled engine, unless
    float64 is what is verified: a second compilation would double the time.
    """
    reference, dtype = Autograd(model), _dtype(params)
    formulas = ENGINES["fused"](model) if engine.name == "compiled" else engine

    def hand(leaves: Tensors) -> Tensors:
        used = engine if _dtype(leaves) == dtype else formulas
        run = used.loss_and_all_grads if isinstance(used, Chunked) else used.loss_and_grads
        return run(leaves, _like(state, leaves), batch)[1]

    def autograd(leaves: Tensors) -> Tensors:
        return reference.loss_and_all_grads(leaves, _like(state, leaves), batch)[1]

    verdicts = judge_all(hand, autograd, params)
    return [
        JudgedGradient(model.name, case, engine.name, node, *verdict)
        for node, verdict in verdicts.items()
    ]


def _verify_layer(
    name: str, case: Case, engine: str, dtype: torch.dtype, device: str
) -> list[JudgedGradient]:
    layer = LAYERS[name]
    fixed: Tensors = {}
    leaves: Tensors = _named(layer, upstream(name, case), device, dtype)
    for key, x in zip(layer.INPUTS, case.inputs, strict=False):
        if x.is_floating_point():
            leaves[key] = x.to(device, dtype)
        else:
            fixed[key] = x.to(device)
    hand = _by_chunks if engine == "chunked" else _by_closed_form
    subject = layer, case, fixed
    verdicts = judge_all(partial(hand, *subject), partial(_by_autograd, *subject), leaves)
    return [
        JudgedGradient(name, case.name, engine, node, *verdict)
        for node, verdict in verdicts.items()
    ]


def _inputs(layer: Layer, named: Tensors) -> list[Tensor]:
    """Return the inputs in the order of INPUTS, without a missing bias."""
    return [named[name] for name in layer.INPUTS if name in named]


def _outputs(layer: Layer) -> tuple[str, ...]:
    return getattr(layer, "OUTPUTS", layer.NODES[-1:])


def _named(layer: Layer, douts: Any, device: str, dtype: torch.dtype) -> Tensors:
    """Return the gradients of the outputs by name: d + the output's."""
    douts = (douts,) if isinstance(douts, Tensor) else douts
    named = zip(_outputs(layer), douts, strict=True)
    return {f"d{name}": dout.to(device, dtype) for name, dout in named}


def _upstream(layer: Layer, leaves: Tensors) -> Any:
    """Return the gradient of the output, of several outputs a tuple."""
    douts = tuple(leaves[f"d{name}"] for name in _outputs(layer))
    return douts[0] if len(douts) == 1 else douts


@torch.no_grad()
def _by_closed_form(layer: Layer, case: Case, fixed: Tensors, leaves: Tensors) -> Tensors:
    _, cache = case.of(layer.forward)(*_inputs(layer, fixed | leaves))
    gradients = case.of(layer.backward)(_upstream(layer, leaves), cache)
    named = zip(layer.INPUTS, gradients, strict=False)
    return {name: gradient for name, gradient in named if gradient is not None}


@torch.no_grad()
def _by_chunks(layer: Layer, case: Case, fixed: Tensors, leaves: Tensors) -> Tensors:
    _, cache = case.of(layer.forward_chunked)(*_inputs(layer, fixed | leaves))
    gradients: Tensors = case.of(layer.backward_chunked)(_upstream(layer, leaves), cache)
    return gradients


@torch.enable_grad()
def _by_autograd(layer: Layer, case: Case, fixed: Tensors, leaves: Tensors) -> Tensors:
    watched = {name: leaf.detach().requires_grad_() for name, leaf in leaves.items()}
    out, cache = case.of(layer.forward_chunked)(*_inputs(layer, fixed | watched))
    wanted = {*layer.INPUTS, *layer.NODES}.difference(_outputs(layer))
    nodes = {k: x for k, x in cache.items() if x.is_floating_point() and k in wanted}
    grads = torch.autograd.grad(out, list(nodes.values()), _upstream(layer, leaves))
    return dict(zip(nodes, grads, strict=True))


def _like(state: State, leaves: Tensors) -> State:
    """Return `state` in the dtype of `leaves`."""
    return {name: value.to(_dtype(leaves)) for name, value in state.items()}


def _dtype(tensors: Tensors) -> torch.dtype:
    return next(iter(tensors.values())).dtype
