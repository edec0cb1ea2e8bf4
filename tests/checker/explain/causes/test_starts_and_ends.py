"""Sums that start at ones, finished gradients that grow, lines without an upstream gradient."""

import pytest

FORWARD = """\
torch.manual_seed(0)
x = torch.randn(16, 5)
W = torch.randn(5, 6, requires_grad=True)
v = torch.randn(6, 3, requires_grad=True)
h = x @ W
z = h @ v
loss = (z**2).mean()
loss.backward()
dz = 2 * z / z.numel()
"""
LOOP = "for i in range(16):\n    dv += torch.outer(h[i], dz[i])\n"
CASES = [
    (
        "dh = v.sum(1).expand(16, 6)\n",
        "dh",
        "HG108",
        "The upstream gradient is missing: this line does not read dz, the gradient of z.",
        "dh = dz @ v.T",
    ),
    (
        "dh = v.T\n",
        "dh",
        "HG108",
        "This is only the local derivative: dz, the gradient of z, is missing.",
        "dh = dz @ v.T",
    ),
    (
        "dv = torch.ones_like(v)\n" + LOOP,
        "dv",
        "HG140",
        "dv starts at 1, and line 12 adds the gradient to it: start at 0.",
        "dv = torch.zeros_like(v)",
    ),
    (
        "dv = torch.ones(6, 3)\n" + LOOP,
        "dv",
        "HG140",
        "dv starts at 1, and line 12 adds the gradient to it: start at 0.",
        "dv = torch.zeros(6, 3)",
    ),
    (
        "dh = dz @ v.T\ndh += 0.5 * h\ndW = x.T @ dh\n",
        "dh",
        "HG140",
        "dh is complete on line 10; this line adds to it again. Remove it.",
        "# dh += 0.5 * h",
    ),
]
RIGHT = [
    "dh = dz @ v.T\n",
    "dh = dz.new_zeros(16, 6)\ndh += dz @ v.T\n",
    "dv = torch.zeros_like(v)\n" + LOOP,
    "dv = torch.ones_like(v)\ndv -= 1\n" + LOOP,
    "dv = torch.ones_like(v)\ndv *= h.T @ dz\n",
]


@pytest.mark.parametrize(("backward", "hand", "code", "message", "fix"), CASES)
def test_the_reason_is_given(reported, backward, hand, code, message, fix) -> None:
    row = next(row for row in reported(FORWARD + backward).rows if row.hand == hand)
    assert (row.cause, row.message, row.fix) == (code, message, fix)


@pytest.mark.parametrize("backward", RIGHT)
def test_nothing_is_said_of_what_is_right(reported, backward) -> None:
    assert reported(FORWARD + backward).ok


def test_a_gradient_that_is_a_tensor_of_the_forward_pass_hides_no_reason(reported) -> None:
    source = (
        "x = torch.randn(16, 5)\nw = torch.randn(5, 4, requires_grad=True)\ny = x @ w\n"
        "up = torch.randn(y.shape)\nloss = (y * up).sum()\nloss.backward()\ndy = up\n"
    )
    assert reported(f"{source}dw = x.T @ dy\n").ok
    row = next(r for r in reported(f"{source}dw = 2 * x.T @ dy\n").rows if r.hand == "dw")
    assert (row.cause, row.message, row.fix) == (
        "HG103",
        "Off by the factor 2.",
        "dw = x.T @ dy",
    )
