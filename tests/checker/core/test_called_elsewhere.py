"""Functions that are right where they are called otherwise, and names that mean another tensor."""

import pytest

NORMS = """
import torch
torch.manual_seed(0)
X, Y = torch.randn(6, 5), torch.randn(6, 5)
W1, W2 = torch.randn(5, 5, requires_grad=True), torch.randn(5, 5, requires_grad=True)

def scaled(x):
    inv = (x.pow(2).mean(1, keepdim=True) + 1e-5) ** -0.5
    return x * inv, inv

def scaled_back(dy, y, inv):
    return inv * (dy - y * (dy * y).mean(1, keepdim=True))

a = X @ W1
n, inv1 = scaled(a)
b = n @ W2
m, inv2 = scaled(b)
loss = ((m - Y) ** 2).sum()
loss.backward()
dm = 2 * (m - Y)
db = scaled_back(dm, m, inv2)
dW2 = n.T @ db
dn = db @ W2.T
da = scaled_back(dn, n, inv1)
dW1 = X.T @ da
"""
GAIN = """
import numpy as np
rng = np.random.default_rng(3)

def norm(x, g):
    r = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6)
    return g * x * r, (x, g, r)

def norm_back(dout, cache):
    x, g, r = cache
    dg = (dout * x * r).sum(axis=(0, 1))
    du = dout * g
    s = (du * x).sum(axis=-1, keepdims=True)
    dx = r * du - x * r**3 * s / x.shape[-1]
    return dx, dg

x, g = rng.normal(size=(2, 3, 5)), rng.normal(size=5)
w, y = rng.normal(size=(5, 4)), rng.normal(size=(2, 3, 4))
u, cache = norm(x, g)
loss = ((u @ w - y) ** 2).sum()
dp = 2 * (u @ w - y)
dw = u.reshape(-1, 5).T @ dp.reshape(-1, 4)
du = dp @ w.T
dx, dg = norm_back(du, cache)
"""


def blamed(report) -> list[str]:
    return [row.statement for row in report.rows if row.blame == "root"]


@pytest.mark.parametrize("program", [NORMS, GAIN], ids=["called twice", "a name of its own"])
def test_all_is_right(check, program):
    rows = [row for row in check(program).rows if row.hand]
    assert {row.verdict for row in rows} <= {"exact", "rounding"}


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("da = scaled_back(dn, n, inv1)", "da = scaled_back(dn, n, inv2)"),
        ("da = scaled_back(dn, n, inv1)", "da = scaled_back(dn, m, inv1)"),
        ("db = scaled_back(dm, m, inv2)", "db = scaled_back(dm, n, inv2)"),
    ],
)
def test_the_call_with_the_wrong_argument_is_blamed(check, was, now):
    assert blamed(check(NORMS.replace(was, now))) == [now]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("dx = r * du - x * r**3 * s / x.shape[-1]", "dx = r * du - x * r**2 * s / x.shape[-1]"),
        ("dx = r * du - x * r**3 * s / x.shape[-1]", "dx = r * du - x * r**3 * s"),
        ("dx = r * du - x * r**3 * s / x.shape[-1]", "dx = r * du"),
    ],
)
def test_a_name_that_the_caller_has_for_another_tensor_is_not_blamed(check, was, now):
    """The caller's u is what the norm returns; the function's du is the gradient of x * r."""
    assert blamed(check(GAIN.replace(was, now))) == [now]
