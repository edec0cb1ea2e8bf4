"""HG139: right gradients under another node's name."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import misplaced

CROSSED = "The names are swapped: {} gets the gradient of {}."
GRADS = "dV = torch.tanh(y).T @ dout\ndW = x.T @ (dy * gain)\n"
STORED = "This is the gradient of V, stored as that of W."

CASES = [
    (
        "GAINED",
        "",
        "dgain, dbias = dy.sum(0), (dy * a).sum(0)",
        "dgain",
        CROSSED.format("dgain", "bias"),
        "dbias, dgain = dy.sum(0), (dy * a).sum(0)",
        None,
    ),
    (
        "GAINED",
        "",
        "dbias = dy.sum(0); dgain = (a * dy).sum(0); dgain, dbias = dbias, dgain",
        "dbias",
        CROSSED.format("dbias", "gain"),
        "dbias, dgain = dbias, dgain",
        None,
    ),
    (
        "GAINED",
        "",
        "dW, dV = torch.tanh(y).T @ dout, x.T @ (dy * gain)",
        "dV",
        CROSSED.format("dV", "W"),
        "dV, dW = torch.tanh(y).T @ dout, x.T @ (dy * gain)",
        None,
    ),
    (
        "GAINED",
        "",
        f"{GRADS}grads = {{}}; grads['W'] = dV",
        "grads['W']",
        STORED,
        "grads['W'] = dW",
        None,
    ),
    ("GAINED", "", f"{GRADS}grads = {{'V': dV, 'W': dV}}", "grads['W']", STORED, None, None),
]

OTHERS = [
    ("GAINED", "", "da = dy", "da"),  # what the consumer has: the local derivative is forgotten
    ("GAINED", "", "dbias = (dy * a * gain).sum(0)", "dbias"),  # nobody's
    ("GAINED", "", "dgain = dy.sum(0) * 2", "dgain"),  # twice another's
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_whose_gradient_it_is_is_told(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), misplaced.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    row = row_of(program, original, lines, hand)
    assert row.blame == "root"
    assert row.cause != misplaced.CODE


def test_a_key_of_its_own_is_no_news(row_of) -> None:
    lines = "dV = torch.tanh(y).T @ dout\ngrads = {'V': dV}"
    with pytest.raises(StopIteration):
        row_of("GAINED", "", lines, "grads['V']")
    assert row_of("GAINED", "", lines, "dV").blame is None
