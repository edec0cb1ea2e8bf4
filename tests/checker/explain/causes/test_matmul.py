"""HG114: what it says of matmul, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import matmul

CASES = [
    ("x 4 4, W 4 4", "y = x @ W", "dx = dy @ W", "W must be transposed here.", "dx = dy @ W.T"),
    ("x 4 4, W 4 4", "y = x @ W", "dx = dy.mm(W)", "W must be transposed here.", "dx = dy.mm(W.T)"),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dx = torch.matmul(dy, W)",
        "W must be transposed here.",
        "dx = torch.matmul(dy, W.T)",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dW = dy.t() @ x",
        "The operands are swapped: matrix multiplication is not commutative.",
        "dW = x.t() @ dy",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dW = torch.mm(dy.t(), x)",
        "The operands are swapped: matrix multiplication is not commutative.",
        "dW = torch.mm(x.t(), dy)",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dW = x.transpose(0, 1).transpose(0, 1) @ dy",
        "x.transpose(0, 1) must not be transposed here.",
        "dW = x.transpose(0, 1) @ dy",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dW = torch.einsum('bi,bo->oi', x, dy)",
        "oi must be io: the result is transposed.",
        "dW = torch.einsum('bi,bo->io', x, dy)",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dx = torch.einsum('bo,oi->bi', dy, W)",
        "oi must be io: W is transposed.",
        "dx = torch.einsum('bo,io->bi', dy, W)",
    ),
    (
        "q 2 5 3, k 2 5 3",
        "att = q @ k.transpose(-2, -1)",
        "dk = datt @ q",
        "datt must be transposed here.",
        "dk = datt.transpose(-2, -1) @ q",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dx = W.T @ dy",
        "The operands are swapped: matrix multiplication is not commutative.",
        "dx = dy @ W.T",
    ),
]
OTHERS = [
    ("x 4 4, W 4 4", "y = x @ W", "dx = dy * W.T", "HG115"),
    ("x 4 4, W 4 4", "y = x @ W", "dx = -dy @ W.T", "HG102"),
    ("x 4 4, W 4 4", "y = x @ W", "dx = dy @ x.T", "HG107"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_transposes_it(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (matmul.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
