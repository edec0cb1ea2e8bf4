"""HG123: softmax's closed form."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import attention

CASES = [
    (
        "ATTENTION",
        "",
        "dmasked = att * datt",
        "dmasked",
        (
            "The second term of the softmax gradient is missing: every element of a row is "
            "divided by the same sum, and part of the gradient flows through that sum."
        ),
        "dmasked = att * (datt - (datt * att).sum(-1, keepdim=True))",
        None,
    ),
    (
        "ATTENTION",
        "",
        "dmasked = att * datt - (datt * att).sum(-1, keepdim=True)",
        "dmasked",
        "This does not match the closed form of the softmax gradient.",
        "dmasked = att * (datt - (datt * att).sum(-1, keepdim=True))",
        None,
    ),
    (
        "ATTENTION",
        "",
        "dmasked = att * (1 - att) * datt",
        "dmasked",
        "This does not match the closed form of the softmax gradient.",
        "dmasked = att * (datt - (datt * att).sum(-1, keepdim=True))",
        None,
    ),
    (
        "GATED",
        "",
        "ds = torch.sigmoid(s) * (1 - torch.sigmoid(s)) * dgate",
        "ds",
        "The mask of the forward pass is not applied to the gradient.",
        ("ds = torch.sigmoid(s) * (1 - torch.sigmoid(s)) * dgate.masked_fill(lower == 0, 0)"),
        None,
    ),
]

OTHERS = [
    (
        "CORNERS",
        "",
        ("rate = 0.37\nh = a * 1.0\nloss = (h * up).sum()\ndh = up\nda = rate * dh"),
        "da",
    ),
    (
        "ATTENTION",
        "",
        ("dmasked = 2 * att * (datt - (datt * att).sum(-1, keepdim=True))"),
        "dmasked",
    ),
    ("ATTENTION", "", "dmasked = att * (datt + (datt * att).sum(-1, keepdim=True))", "dmasked"),
    ("GATED", "", "ds = torch.sigmoid(s) * (1 + torch.sigmoid(s)) * dgate", "ds"),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_the_term_that_is_off_is_named(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), attention.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != attention.CODE
