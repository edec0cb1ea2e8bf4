"""HG131: right gradients, returned or taken in another order."""

import pytest
import torch

import handgrad
from checker.explain.causes.programs import GAINED
from handgrad.checker.explain.causes import returned_position

BACK = """\
def back(dy):
    return x.T @ (dy * gain), (dy * a).sum(0), dy.sum(0)
"""


def forward(x, W, b):
    return x @ W + b, x, W


def crossed(dy, x, W):
    return x.T @ dy, dy @ W.T, dy.sum(0)


def crossed_by_name(dy, x, W):
    dx = dy @ W.T
    dW = x.T @ dy
    return dW, dx, dy.sum(0)


def scaled(dy, x, W):
    return 2 * x.T @ dy, dy @ W.T, dy.sum(0)


def unsummed(dy, x, W):
    return dy @ W.T, x.T @ dy, dy


CASES = [
    (crossed, "x", "The gradient of W is returned in place of the gradient of x.",
     "return dy @ W.T, x.T @ dy, dy.sum(0)"),
    (crossed, "W", "The gradient of x is returned in place of the gradient of W.",
     "return dy @ W.T, x.T @ dy, dy.sum(0)"),
    (crossed_by_name, "W", "The gradient of x is returned in place of the gradient of W.",
     "return dx, dW, dy.sum(0)"),
]  # fmt: skip

OTHERS = [
    (scaled, "x"),  # twice another's
    (unsummed, "b"),  # its own, unsummed
]


def row_of(backward, node):
    torch.manual_seed(0)
    inputs = (torch.randn(6, 6), torch.randn(6, 6), torch.randn(6))
    report = handgrad.check(forward, backward, inputs)
    assert not report.ok
    return next(row for row in report.rows if row.node == node)


@pytest.mark.parametrize(("backward", "node", "message", "fix"), CASES)
def test_whose_gradient_stands_there_is_told(backward, node, message, fix) -> None:
    row = row_of(backward, node)
    assert (row.cause, row.message, row.fix) == (returned_position.CODE, message, fix)
    assert row.checked in ("exact", "rounding")
    assert row.blame == "root"


@pytest.mark.parametrize(("backward", "node"), OTHERS)
def test_it_leaves_other_mistakes_alone(backward, node) -> None:
    row = row_of(backward, node)
    assert row.blame == "root"
    assert row.cause != returned_position.CODE


def test_names_in_another_order_than_the_function_returns_are_told(explained) -> None:
    row = explained(f"{GAINED}{BACK}dW, dbias, dgain = back(dy)", "dbias")
    assert (row.cause, row.message, row.fix) == (
        returned_position.CODE,
        (
            "dbias gets the gradient of gain: the function returns its gradients in a "
            "different order than these names."
        ),
        "dW, dgain, dbias = back(dy)",
    )
