"""HG119: statistics treated as constants."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import constant_statistics

CASES = [
    (
        "BATCHNORM",
        "",
        "dhprebn = g * bnvar_inv * dhpreact",
        "dhprebn",
        (
            "bnmeani and bnvar are treated as constant: they are computed from hprebn, and "
            "part of the gradient flows through them."
        ),
        (
            "dhprebn = g * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / "
            "(n - 1) * bnraw * (dhpreact * bnraw).sum(0))"
        ),
        None,
    ),
    (
        "BATCHNORM",
        "",
        "dhprebn = g*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0))",
        "dhprebn",
        (
            "bnvar is treated as constant: it is computed from hprebn, and part of the "
            "gradient flows through it."
        ),
        (
            "dhprebn = g * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / "
            "(n - 1) * bnraw * (dhpreact * bnraw).sum(0))"
        ),
        None,
    ),
    (
        "BATCHNORM",
        "",
        ("dhprebn = g*bnvar_inv/n * (n*dhpreact - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))"),
        "dhprebn",
        (
            "bnmeani is treated as constant: it is computed from hprebn, and part of the "
            "gradient flows through it."
        ),
        (
            "dhprebn = g * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / "
            "(n - 1) * bnraw * (dhpreact * bnraw).sum(0))"
        ),
        None,
    ),
    (
        "LAYERNORM",
        "",
        "dx = rstd * w * dout",
        "dx",
        (
            "mean and rstd are treated as constant: they are computed from x, and part of the"
            " gradient flows through them."
        ),
        (
            "dx = rstd / C * (C * (w * dout) - (w * dout).sum(-1, keepdim=True) "
            "- xhat * ((w * dout) * xhat).sum(-1, keepdim=True))"
        ),
        None,
    ),
    (
        "TORCH_LAYERNORM",
        "",
        "dx = rstd * (dxhat - dxhat.mean(dim=-1, keepdim=True))",
        "dx",
        (
            "The variance in layer_norm is treated as constant: it is computed from x, and "
            "part of the gradient flows through it."
        ),
        (
            "dx = rstd / C * (C * (weight * dout) - (weight * dout).sum(-1, "
            "keepdim=True) - xhat * ((weight * dout) * xhat).sum(-1, keepdim=True))"
        ),
        None,
    ),
    (
        "TORCH_RMSNORM",
        "",
        "dx = dout / rms",
        "dx",
        (
            "The mean in rms_norm is treated as constant: it is computed from x, and part of "
            "the gradient flows through it."
        ),
        (
            "dx = ((x**2).mean(-1, keepdim=True) + 1e-5) ** -0.5 * (dout - x * "
            "((x**2).mean(-1, keepdim=True) + 1e-5) ** -0.5 * (dout * (x * "
            "((x**2).mean(-1, keepdim=True) + 1e-5) ** -0.5)).mean(-1, keepdim=True))"
        ),
        None,
    ),
    (
        "TORCH_BATCHNORM",
        "",
        "da = gamma * std_inv * dout",
        "da",
        (
            "The mean and the variance in batch_norm are treated as constant: they are "
            "computed from a, and part of the gradient flows through them."
        ),
        ("da = gamma * std_inv / m * (m * dout - dout.sum(0) - ahat * (dout * ahat).sum(0))"),
        None,
    ),
    (
        "CORNERS",
        "",
        (
            "h = a / a.norm(dim=1, keepdim=True)\n"
            "loss = (h * up).sum()\n"
            "dh = up\n"
            "da = dh / a.norm(dim=1, keepdim=True)"
        ),
        "da",
        (
            "The norm of a is treated as constant: it is computed from a, and part of the "
            "gradient flows through it."
        ),
        (
            "da = a / a.norm(p='fro', dim=1, keepdim=True) * (-a / "
            "a.norm(p='fro', dim=1, keepdim=True) ** 2 * dh).sum(1, "
            "keepdim=True) + dh / a.norm(p='fro', dim=1, keepdim=True)"
        ),
        None,
    ),
    (
        "CORNERS",
        "",
        ("h = a / a.std()\nloss = (h * up).sum()\ndh = up\nda = dh / a.std()"),
        "da",
        (
            "The standard deviation of a is treated as constant: it is computed from a, and "
            "part of the gradient flows through it."
        ),
        (
            "da = (a - a.mean()) / ((a.numel() - 1) * a.std()) * (-a / a.std() "
            "** 2 * dh).sum() + dh / a.std()"
        ),
        None,
    ),
]

OTHERS = [
    ("BATCHNORM", "", "dhprebn = 2 * g * bnvar_inv * dhpreact", "dhprebn"),
    ("BATCHNORM", "", "dhprebn = bnvar_inv * dhpreact", "dhprebn"),
    ("LECTURE", "dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani", "", "dhprebn"),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_the_statistics_that_are_no_constants_are_named(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), constant_statistics.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != constant_statistics.CODE
