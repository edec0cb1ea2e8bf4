"""HG121: batchnorm's closed form."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import batchnorm

CASES = [
    (
        "BATCHNORM",
        "",
        (
            "dhprebn = g*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - "
            "bnraw*(dhpreact*bnraw).sum(0))"
        ),
        "dhprebn",
        ("batchnorm's closed form: the term through bnvar is (n - 1) / n times the correct one."),
        (
            "dhprebn = g*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - n / (n - "
            "1) * bnraw*(dhpreact*bnraw).sum(0))"
        ),
        None,
    ),
    (
        "BATCHNORM",
        "",
        (
            "dhprebn = g*bnvar_inv/n * (dhpreact - dhpreact.sum(0) - "
            "n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))"
        ),
        "dhprebn",
        "batchnorm's closed form: the direct term is 1 / n times the correct one.",
        (
            "dhprebn = g*bnvar_inv/n * (n * dhpreact - dhpreact.sum(0) - "
            "n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))"
        ),
        None,
    ),
    (
        "BATCHNORM",
        "",
        (
            "dhprebn = g*bnvar_inv * (n*dhpreact - dhpreact.sum(0) - "
            "n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))"
        ),
        "dhprebn",
        "batchnorm's closed form: the whole gradient is n times the correct one.",
        (
            "dhprebn = g*bnvar_inv * (n*dhpreact - dhpreact.sum(0) - "
            "n/(n-1)*bnraw*(dhpreact*bnraw).sum(0)) / n"
        ),
        None,
    ),
    (
        "BATCHNORM",
        "",
        ("dhprebn = g/n * (n*dhpreact - dhpreact.sum(0) - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))"),
        "dhprebn",
        "batchnorm's closed form: the factor bnvar_inv is missing.",
        (
            "dhprebn = bnvar_inv * g/n * (n*dhpreact - dhpreact.sum(0) - "
            "n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))"
        ),
        None,
    ),
    (
        "BATCHNORM",
        "",
        (
            "dhprebn = g*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - "
            "n/(n-1)*(dhpreact*bnraw).sum(0))"
        ),
        "dhprebn",
        "batchnorm's closed form: the factor bnraw is missing.",
        (
            "dhprebn = g*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - bnraw * "
            "n/(n-1)*(dhpreact*bnraw).sum(0))"
        ),
        None,
    ),
    (
        "TORCH_BATCHNORM",
        "",
        ("da = gamma * std_inv / m * (m * dout - dout.sum(0) / m - ahat * (dout * ahat).sum(0))"),
        "da",
        (
            "batchnorm's closed form: the term through the mean in batch_norm is "
            "1 / m times the correct one."
        ),
        ("da = gamma * std_inv / m * (m * dout - dout.sum(0) - ahat * (dout * ahat).sum(0))"),
        None,
    ),
    (
        "TORCH_BATCHNORM",
        "",
        ("da = gamma * std_inv / m * (-dout.sum(dim=0) - ahat * torch.sum(dout * ahat, dim=0))"),
        "da",
        "batchnorm's closed form: the direct term is missing.",
        ("da = gamma * std_inv / m * (m * dout - dout.sum(0) - ahat * (dout * ahat).sum(0))"),
        None,
    ),
]

OTHERS = [
    (
        "BATCHNORM",
        "",
        (
            "dhprebn = g*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - "
            "n/(n-1)*bndiff*(dhpreact*bnraw).sum(0))"
        ),
        "dhprebn",
    ),
    (
        "BATCHNORM",
        "",
        (
            "dhprebn = g*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - "
            "n/(n-1)*bnraw*(dhpreact*bnraw).sum(1, keepdim=True))"
        ),
        "dhprebn",
    ),
    (
        "LAYERNORM",
        "",
        (
            "dx = w * rstd * (dout - dout.mean(-1, keepdim=True) - xhat "
            "* (dout * xhat).mean(-1, keepdim=True))"
        ),
        "dx",
    ),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_it_names_the_wrong_term(row_of, program, original, lines, hand, message, fix, at) -> None:
    assert_told(row_of(program, original, lines, hand), batchnorm.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != batchnorm.CODE
