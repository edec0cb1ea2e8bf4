"""HG122: layernorm's closed form."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import layernorm

CASES = [
    (
        "LAYERNORM",
        "",
        (
            "dx = w * rstd * (dout - dout.mean(-1, keepdim=True) - xhat "
            "* (dout * xhat).mean(-1, keepdim=True))"
        ),
        "dx",
        (
            "This is not layernorm's closed form: it is not a sum of the direct term "
            "and the terms through the mean and the variance."
        ),
        (
            "dx = rstd / C * (C * (w * dout) - (w * dout).sum(-1, keepdim=True) "
            "- xhat * ((w * dout) * xhat).sum(-1, keepdim=True))"
        ),
        None,
    ),
    (
        "LAYERNORM",
        "",
        (
            "dxhat = w * dout\n"
            "dx = dxhat - dxhat.mean(-1, keepdim=True) - xhat * (dxhat * "
            "xhat).mean(-1, keepdim=True)"
        ),
        "dx",
        "layernorm's closed form: the factor rstd is missing.",
        (
            "dx = rstd * (dxhat - dxhat.mean(-1, keepdim=True) - xhat * (dxhat * "
            "xhat).mean(-1, keepdim=True))"
        ),
        None,
    ),
    (
        "TORCH_LAYERNORM",
        "",
        (
            "dx = rstd / C * (dxhat - dxhat.sum(-1, keepdim=True) - xhat "
            "* (dxhat * xhat).sum(-1, keepdim=True))"
        ),
        "dx",
        "layernorm's closed form: the direct term is 1 / C times the correct one.",
        (
            "dx = rstd / C * (C * dxhat - dxhat.sum(-1, keepdim=True) - xhat * "
            "(dxhat * xhat).sum(-1, keepdim=True))"
        ),
        None,
    ),
    (
        "TORCH_LAYERNORM",
        "",
        ("dx = rstd * (dxhat - dxhat.mean(0) - xhat * (dxhat * xhat).mean(0))"),
        "dx",
        (
            "This is not layernorm's closed form: it is not a sum of the direct term "
            "and the terms through the mean and the variance."
        ),
        (
            "dx = rstd / C * (C * (weight * dout) - (weight * dout).sum(-1, "
            "keepdim=True) - xhat * ((weight * dout) * xhat).sum(-1, keepdim=True))"
        ),
        None,
    ),
]

OTHERS = [
    (
        "LAYERNORM",
        "",
        (
            "dxhat = w * dout\n"
            "dx = rstd * (dxhat - dxhat.mean(-1, keepdim=True) + xhat * "
            "(dxhat * xhat).mean(-1, keepdim=True))"
        ),
        "dx",
    ),
    (
        "BATCHNORM",
        "",
        (
            "dhprebn = g*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - "
            "bnraw*(dhpreact*bnraw).sum(0))"
        ),
        "dhprebn",
    ),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_it_names_the_wrong_term(row_of, program, original, lines, hand, message, fix, at) -> None:
    assert_told(row_of(program, original, lines, hand), layernorm.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != layernorm.CODE
