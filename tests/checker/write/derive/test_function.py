# ruff: noqa: E501 - derived lines are as long as they are
"""`handgrad.derive` of a function."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import handgrad
from handgrad.errors import CheckError


def layer(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    hpre = x @ w + b
    return torch.tanh(hpre)


def scaled(x: Tensor, k: float) -> tuple[Tensor, float]:
    y = x * k
    return y.sum(1), k


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    logprobs = F.log_softmax(logits, 1)
    loss = F.nll_loss(logprobs, targets)
    return loss


def number(x: Tensor) -> float:
    return 3.0


def constant(x: Tensor) -> Tensor:
    y = torch.ones(3)
    return y


def fails(x: Tensor) -> Tensor:
    y = x @ x
    return y


LAYER = """\
def layer_backward(dout, x, w, hpre):
    dhpre = (1 - torch.tanh(hpre) ** 2) * dout
    # hpre = x @ w + b
    db = dhpre.sum(0)
    dx = dhpre @ w.T
    dw = x.T @ dhpre
    return dx, dw, db
"""
NO_SOURCE = "has no source code to read its steps from: define it with def, in a file or cell"


def derive(forward: Callable[..., Any], inputs: Any, fused: bool = False) -> Any:
    """Derive a function; return the derivation and the derived function."""
    derivation = handgrad.derive(forward, inputs, fused=fused)
    space: dict[str, Any] = {"torch": torch, "F": F}
    exec(str(derivation), space)
    return derivation, space[f"{forward.__name__}_backward"]


def test_the_derived_function_of_a_layer_gives_the_gradients_of_autograd() -> None:
    torch.manual_seed(1)
    inputs = (torch.randn(5, 3), torch.randn(3, 4), torch.randn(4))
    derivation, backward = derive(layer, inputs)
    assert str(derivation) == LAYER
    assert [(g.node, g.right) for g in derivation.gradients] == [
        ("hpre", True), ("b", True), ("w", True), ("x", True),
    ]  # fmt: skip
    leaves = [t.clone().requires_grad_() for t in inputs]
    out = layer(*leaves)
    dout = torch.randn(out.shape)
    right = torch.autograd.grad(out, leaves, dout)
    x, w, b = inputs
    own = backward(dout, x, w, x @ w + b)
    for a, b in zip(own, right, strict=True):
        torch.testing.assert_close(a, b)


def test_inputs_by_name_with_a_number_and_two_results() -> None:
    derivation, _ = derive(scaled, {"x": torch.randn(5, 3), "k": 3.0})
    assert str(derivation) == SCALED
    assert derivation.ok


SCALED = """\
def scaled_backward(dout, k, y):
    dy = torch.ones_like(y) * dout.unsqueeze(1)
    # y = x * k
    dx = k * dy
    return dx
"""


def test_fused_writes_a_closed_form() -> None:
    derivation, _ = derive(loss_of, (torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])), fused=True)
    assert str(derivation) == FUSED
    assert derivation.ok


FUSED = """\
def loss_of_backward(dout, logits, targets):
    # logits to loss: softmax_cross_entropy, in closed form
    dlogits = (torch.softmax(logits, 1) - F.one_hot(targets, logits.shape[1])) * dout / logits.shape[0]
    return dlogits
"""


def test_the_inputs_are_not_changed() -> None:
    x = torch.randn(5, 3)
    before = x.clone()
    handgrad.derive(scaled, (x, 2.0))
    assert torch.equal(x, before)
    assert not x.requires_grad
    assert x.grad is None


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (number, "number must return a floating-point tensor first, not 3.0"),
        (constant, "constant: nothing to derive: the result depends on no floating-point tensor "
                   "among the inputs"),
        (eval("lambda x: x * 2"), f"<lambda> {NO_SOURCE}"),
        (torch.tanh, f"tanh {NO_SOURCE}"),
    ],
)  # fmt: skip
def test_functions_that_cannot_be_derived(forward: Callable[..., Any], message: str) -> None:
    with pytest.raises(CheckError) as refusal:
        handgrad.derive(forward, (torch.ones(3, 2),))
    assert str(refusal.value) == message


def test_an_exception_of_the_function_is_passed_on() -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        handgrad.derive(fails, (torch.ones(3, 2),))
