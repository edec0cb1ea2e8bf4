"""Every layer in LAYERS, on every awkward case, in both forms."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from handgrad.errors import SettingsError
from handgrad.layers import LAYERS, batchnorm, softmax_cross_entropy
from handgrad.verify.cases import Case, layer_cases, upstream
from layers.peers import PEERS

CASES = [
    pytest.param(name, case, id=f"{name}-{case.name}")
    for name in LAYERS
    for case in layer_cases(name)
]
FORMS = ["fused", "chunked"]
# truncated gradients are not those of the function
WHOLE = [row for row in CASES if not row.values[1].attributes.get("truncate")]

# float64: sums of at most a few thousand terms of size 1 keep 12 of its 16 digits
TIGHT = {"rtol": 1e-11, "atol": 1e-11}


def forward(
    name: str, form: str, case: Case, inputs: tuple[Tensor, ...] | None = None
) -> tuple[Any, Any]:
    """Return output and cache of the case, or of other inputs; several outputs are a tuple."""
    layer = LAYERS[name]
    function = layer.forward if form == "fused" else layer.forward_chunked
    return case.of(function)(*(case.inputs if inputs is None else inputs))


def backward(name: str, form: str, case: Case, dout: Any, cache: Any) -> dict[str, Tensor]:
    """Return the gradients of the layer's inputs, by name, in either form."""
    layer = LAYERS[name]
    if form == "chunked":
        every = case.of(layer.backward_chunked)(dout, cache)
        return {k: v for k, v in every.items() if k in layer.INPUTS}
    gradients = zip(layer.INPUTS, case.of(layer.backward)(dout, cache), strict=False)
    return {k: gradient for k, gradient in gradients if gradient is not None}


def several(out: Any) -> tuple[Tensor, ...]:
    """Return one output, or several, as a tuple."""
    return out if isinstance(out, tuple) else (out,)


def combined(one: Any, other: Any, function: Callable[[Tensor, Tensor], Tensor]) -> Any:
    """Return the function of two gradients of the output, or of each of several outputs."""
    pairs = zip(several(one), several(other), strict=True)
    results = tuple(function(a, b) for a, b in pairs)
    return results if isinstance(one, tuple) else results[0]


def floats(name: str, case: Case) -> dict[str, Tensor]:
    inputs = zip(LAYERS[name].INPUTS, case.inputs, strict=False)
    return {k: x for k, x in inputs if x.is_floating_point()}


def tensors(value: object) -> list[Tensor]:
    """Return every tensor in a cache of any form."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        return tensors(tuple(value.values()))
    return [t for item in value for t in tensors(item)] if isinstance(value, tuple) else []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "case"), CASES)
def test_gradients_have_the_shapes_of_the_inputs(name: str, case: Case, form: str) -> None:
    _, cache = forward(name, form, case)
    grads = backward(name, form, case, upstream(name, case), cache)
    expected = {k: x.shape for k, x in floats(name, case).items()}
    assert {k: g.shape for k, g in grads.items()} == expected


@pytest.mark.parametrize(("name", "case"), CASES)
def test_every_step_has_a_gradient_of_its_shape(name: str, case: Case) -> None:
    layer = LAYERS[name]
    out, cache = forward(name, "chunked", case)
    grads = case.of(layer.backward_chunked)(upstream(name, case), cache)
    assert set(grads) == {*floats(name, case), *layer.NODES[: -len(several(out))]}
    assert {k: g.shape for k, g in grads.items()} == {k: cache[k].shape for k in grads}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_both_forms_agree(name: str, case: Case) -> None:
    out, cache = forward(name, "fused", case)
    out_chunked, cache_chunked = forward(name, "chunked", case)
    torch.testing.assert_close(out, out_chunked, **TIGHT)
    dout = upstream(name, case)
    fused, chunked = (
        backward(name, "fused", case, dout, cache),
        backward(name, "chunked", case, dout, cache_chunked),
    )
    assert fused.keys() == chunked.keys()
    for k in fused:
        torch.testing.assert_close(fused[k], chunked[k], **TIGHT)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "case"), WHOLE)
def test_central_differences(name: str, case: Case, form: str) -> None:
    """Along a random direction of all float inputs together."""
    dout = upstream(name, case)
    _, cache = forward(name, form, case)
    grads = backward(name, form, case, dout, cache)
    generator = torch.Generator().manual_seed(2)
    step = 1e-5
    moved = []
    along = torch.zeros((), dtype=torch.float64)
    for k, x in zip(LAYERS[name].INPUTS, case.inputs, strict=False):
        if not x.is_floating_point():
            moved.append((x, x))
            continue
        direction = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        if case.name == "tied maxima":  # a tie has no derivative along a direction that breaks it
            direction = direction[:, :1].expand_as(x)
        # relative to the input's own scale, so that tiny and saturated inputs are no harder
        direction = direction * x.abs().clamp(min=1e-6, max=1)
        moved.append((x + step * direction, x - step * direction))
        along += (grads[k] * direction).sum()
    above, below = (forward(name, form, case, tuple(m[k] for m in moved))[0] for k in (0, 1))
    rows = zip(several(above), several(below), several(dout), strict=True)
    numeric = sum((((a - b) * d).sum() for a, b, d in rows), along * 0) / (2 * step)
    # truncation: step**2 times a third derivative; rounding: 1e-16 / step, thousands of terms
    torch.testing.assert_close(along, numeric, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "case"), CASES)
def test_linear_in_the_upstream_gradient(name: str, case: Case, form: str) -> None:
    one, other = upstream(name, case, seed=3), upstream(name, case, seed=4)
    _, cache = forward(name, form, case)
    both = combined(one, other, lambda a, b: 2 * a - 3 * b)
    together = backward(name, form, case, both, cache)
    first, second = (backward(name, form, case, dout, cache) for dout in (one, other))
    for k in together:
        torch.testing.assert_close(together[k], 2 * first[k] - 3 * second[k], **TIGHT)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "case"), CASES)
def test_backward_is_pure(name: str, case: Case, form: str) -> None:
    """A second call agrees, no argument changes, and results share no memory with arguments."""
    dout = upstream(name, case)
    _, cache = forward(name, form, case)
    given = [*several(dout), *tensors(cache), *case.inputs]
    before = [t.clone() for t in given]
    first = backward(name, form, case, dout, cache)
    second = backward(name, form, case, dout, cache)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))
    assert all(torch.equal(first[k], second[k]) for k in first)
    theirs = {t.untyped_storage().data_ptr() for t in given}
    ours = [g.untyped_storage().data_ptr() for g in first.values()]
    assert theirs.isdisjoint(ours)
    assert len(set(ours)) == len(ours)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "case"), CASES)
def test_forward_and_backward_against_pytorch(name: str, case: Case, form: str) -> None:
    leaves = tuple(
        x.detach().clone().requires_grad_() if x.is_floating_point() else x for x in case.inputs
    )
    expected = PEERS[name](*leaves, **case.attributes)
    out, cache = forward(name, form, case)
    torch.testing.assert_close(out, expected, **TIGHT)
    dout = upstream(name, case)
    theirs = torch.autograd.grad(expected, [x for x in leaves if x.requires_grad], dout)
    ours = backward(name, form, case, dout, cache)
    for mine, reference in zip(ours.values(), theirs, strict=True):
        torch.testing.assert_close(mine, reference, **TIGHT)


def test_batchnorm_of_one_row_is_refused() -> None:
    x, one = torch.zeros(1, 3), torch.ones(1, 3)
    message = "batchnorm needs at least 2 rows, got 1: the variance divides by n - 1"
    for function in (batchnorm.forward, batchnorm.forward_chunked):
        with pytest.raises(SettingsError) as caught:
            function(x, one, one)
        assert str(caught.value) == message


def test_batchnorm_in_evaluation_does_not_depend_on_other_rows() -> None:
    case = next(c for c in layer_cases("batchnorm") if c.name == "primes")
    x, gain, bias = case.inputs
    mean, var = x.mean(0, keepdim=True), x.var(0, keepdim=True)
    whole = batchnorm.evaluate(x, gain, bias, mean, var)
    single = batchnorm.evaluate(x[4:5], gain, bias, mean, var)
    assert torch.equal(whole[4:5], single)
    # by the batch's own statistics, evaluation is training
    torch.testing.assert_close(whole, batchnorm.forward(x, gain, bias)[0], **TIGHT)


def test_closed_form_of_the_loss_survives_logits_that_underflow() -> None:
    logits = torch.tensor([[0.0, -200.0]])
    targets = torch.tensor([1])
    loss, cache = softmax_cross_entropy.forward(logits, targets)
    assert loss.item() == 200.0
    dlogits, _ = softmax_cross_entropy.backward(torch.ones(()), cache)
    assert dlogits.tolist() == [[1.0, -1.0]]
