"""HG131, HG132, HG139: right gradients in the wrong place."""

import pytest
import torch

import handgrad
from handgrad.checker.causes import misplaced, returned_number, returned_position

START = """
torch.manual_seed(0)
x = torch.randn(8, 6)
W = (torch.randn(6, 6) * 0.5).requires_grad_()
gain = torch.randn(6).requires_grad_()
bias = torch.randn(6).requires_grad_()
V = (torch.randn(6, 6) * 0.5).requires_grad_()
a = x @ W
y = a * gain + bias
out = torch.tanh(y) @ V
loss = (out**2).mean()
loss.backward()
dout = 2 * out / out.numel()
dy = (1 - torch.tanh(y) ** 2) * (dout @ V.T)
"""
BACK = """
def back(dy):
    return x.T @ (dy * gain), (dy * a).sum(0), dy.sum(0)
"""


@pytest.mark.parametrize(
    ("line", "hand", "other", "fix"),
    [
        (
            "dgain, dbias = dy.sum(0), (dy * a).sum(0)",
            "dgain",
            "bias",
            "dbias, dgain = dy.sum(0), (dy * a).sum(0)",
        ),
        (
            "dbias = dy.sum(0); dgain = (a * dy).sum(0); dgain, dbias = dbias, dgain",
            "dbias",
            "gain",
            "dbias, dgain = dbias, dgain",
        ),
        (
            "dW, dV = torch.tanh(y).T @ dout, x.T @ (dy * gain)",
            "dV",
            "W",
            "dV, dW = torch.tanh(y).T @ dout, x.T @ (dy * gain)",
        ),
    ],
)
def test_crossed_names_are_put_in_order(explained, line, hand, other, fix) -> None:
    row = explained(START + line, hand)
    assert (row.cause, row.message, row.fix) == (
        misplaced.CODE,
        f"The names are crossed: {hand} is given the gradient of {other}.",
        fix,
    )


@pytest.mark.parametrize("store", ["grads = {}; grads['W'] = dV", "grads = {'V': dV, 'W': dV}"])
def test_the_wrong_key_is_told(explained, store) -> None:
    grads = "dV = torch.tanh(y).T @ dout\ndW = x.T @ (dy * gain)\n"
    row = explained(f"{START}{grads}{store}", "grads['W']")
    assert (row.cause, row.message) == (
        misplaced.CODE,
        "This is the gradient of V, stored as that of W.",
    )
    assert row.fix == ("grads['W'] = dW" if ";" in store else None)


def test_a_key_of_its_own_is_no_news(explained) -> None:
    source = f"{START}dV = torch.tanh(y).T @ dout\ngrads = {{'V': dV}}"
    with pytest.raises(StopIteration):
        explained(source, "grads['V']")
    assert explained(source, "dV").blame is None


@pytest.mark.parametrize(
    ("line", "hand"),
    [
        ("da = dy", "da"),  # what the consumer has: the local derivative is forgotten
        ("dbias = (dy * a * gain).sum(0)", "dbias"),  # nobody's
        ("dgain = dy.sum(0) * 2", "dgain"),  # twice another's
    ],
)
def test_other_mistakes_are_left_to_other_causes(explained, line, hand) -> None:
    row = explained(START + line, hand)
    assert row.blame == "root"
    assert row.cause not in (misplaced.CODE, returned_position.CODE)


def test_a_function_that_returns_in_another_order_is_told(explained) -> None:
    row = explained(f"{START}{BACK}dW, dbias, dgain = back(dy)", "dbias")
    assert (row.cause, row.message, row.fix) == (
        returned_position.CODE,
        "dbias is given the gradient of gain: the function returns them in another order than the "
        "names stand in.",
        "dW, dgain, dbias = back(dy)",
    )


def forward(x, W, b):
    return x @ W + b, x, W


def crossed(dy, x, W):
    return x.T @ dy, dy @ W.T, dy.sum(0)


def crossed_by_name(dy, x, W):
    dx = dy @ W.T
    dW = x.T @ dy
    return dW, dx, dy.sum(0)


def none(dy, x, W):
    return dy @ W.T, x.T @ dy, None


def two(dy, x, W):
    return dy @ W.T, x.T @ dy


def four(dy, x, W):
    return dy @ W.T, x.T @ dy, dy.sum(0), None


def unsummed(dy, x, W):
    return dy @ W.T, x.T @ dy, dy


def right(dy, x, W):
    return dy @ W.T, x.T @ dy, dy.sum(0)


def checked(backward):
    inputs = (torch.randn(8, 6), torch.randn(6, 6), torch.randn(6))
    return handgrad.check(forward, backward, inputs)


@pytest.mark.parametrize(
    ("backward", "node", "cause", "message", "fix"),
    [
        (crossed, "x", returned_position.CODE, "The gradient of W is returned in the place of x's.",
         "return dy @ W.T, x.T @ dy, dy.sum(0)"),
        (crossed_by_name, "W", returned_position.CODE,
         "The gradient of x is returned in the place of W's.", "return dx, dW, dy.sum(0)"),
        (none, "b", returned_number.CODE,
         "none returns None for b, and the output depends on it.", None),
        (two, "b", returned_number.CODE,
         "two returns 2 gradients; 3 are due, in the order of the inputs: x, W, b.", None),
        (unsummed, "b", "HG110", "A sum over dimension 0 is missing: every copy of b that "
         "the forward broadcasts "
         "sends something back, and it adds up.", "return dy @ W.T, x.T @ dy, dy.sum(0)"),
    ],
)  # fmt: skip
def test_what_a_function_returns_is_held_to_its_inputs(backward, node, cause, message, fix) -> None:
    torch.manual_seed(0)
    inputs = (torch.randn(6, 6), torch.randn(6, 6), torch.randn(6))
    report = handgrad.check(forward, backward, inputs)
    row = next(row for row in report.rows if row.node == node)
    assert (row.cause, row.message, row.fix, row.blame) == (cause, message, fix, "root")
    assert not report.ok


def test_what_is_returned_right_is_right() -> None:
    torch.manual_seed(0)
    report = checked(right)
    assert report.ok
    assert len(report.rows) == 3
    assert report.notes == ()


def test_one_too_many_is_worth_a_note() -> None:
    torch.manual_seed(0)
    report = checked(four)
    assert report.ok
    assert [(note.code, note.message) for note in report.notes] == [
        ("HG219", "four returns 4 gradients; 3 are due, in the order of the inputs: x, W, b.")
    ]


def test_an_input_whose_gradient_is_0_needs_none() -> None:
    def flat(x, W):
        return x * 2 + W.sum() * 0, x

    def back(dy, x):
        return 2 * dy, None

    assert handgrad.check(flat, back, (torch.randn(3, 2), torch.randn(2))).ok
