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


UNSUMMED = """torch.manual_seed(0)
n = 8
h = torch.randn(n, 5, requires_grad=True)
gain = torch.randn(1, 5)
mu = h.mean(0, keepdim=True)
sd = (h.var(0, keepdim=True) + 1e-5)**-0.5
xn = (h - mu) * sd
out = gain * xn
loss = (out**3).sum()
loss.backward()
dout = 3 * out**2
dh = gain * sd / n * (n * dout - {} - n / (n - 1) * xn * {})
"""


@pytest.mark.parametrize(
    ("first", "second", "said", "fixed"),
    [
        ("dout", "(dout * xn).sum(0)", "dout", "xn * (dout * xn).sum(0)"),
        (
            "dout",
            "dout * xn",
            "dout and n / (n - 1) * xn * dout",
            "(n / (n - 1) * xn * dout).sum(0) * xn",
        ),
    ],
)
def test_sums_over_the_batch_that_are_missing(explained, first, second, said, fixed) -> None:
    row = explained(UNSUMMED.format(first, second), "dh")
    fixed = fixed if fixed.startswith("(") else f"n / (n - 1) * {fixed}"
    assert (row.cause, row.message, row.fix) == (
        batchnorm.CODE,
        f"batchnorm's closed form: {said} must be summed over the batch.",
        f"dh = gain * sd / n * (n * dout - dout.sum(0) - {fixed})",
    )


def test_all_sums_over_the_batch_are_right(reported) -> None:
    rows = reported(UNSUMMED.format("dout.sum(0)", "(dout * xn).sum(0)")).rows
    assert {row.verdict for row in rows if row.hand} <= {"exact", "rounding"}
