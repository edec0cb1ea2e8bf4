"""A softmax that is nearly a maximum: without the maximum's gradient, a closed form rounds more."""

import pytest

TORCH = """
import torch
torch.manual_seed(3)
x = torch.randn(9, 4, dtype=torch.{dtype})
W = (20 * torch.randn(4, 3, dtype=torch.{dtype})).requires_grad_()
Y = torch.randint(0, 3, (9,))
z = x @ W
top = z.max(1, keepdim=True).values
e = (z - top).exp()
p = e / e.sum(1, keepdim=True)
mass = torch.tensor([1.0, 2.0, 4.0], dtype=torch.{dtype})
score = (p * mass).sum(1)
loss = ((score - Y) ** 2).mean()
loss.backward()
dscore = 2 * (score - Y) / 9
dp = dscore[:, None] * mass
dz = p * (dp - (dp * p).sum(1, keepdim=True))
dW = x.T @ dz
"""
NUMPY = """
import numpy as np
rng = np.random.default_rng(1)
x, W = rng.normal(size=(9, 4)), 20 * rng.normal(size=(4, 3))
Y = rng.integers(0, 3, 9)
z = x @ W
e = np.exp(z - z.max(axis=1, keepdims=True))
p = e / e.sum(axis=1, keepdims=True)
mass = np.array([1.0, 2.0, 4.0])
loss = (((p * mass).sum(axis=1) - Y) ** 2).mean()
dp = (2 * ((p * mass).sum(axis=1) - Y) / 9)[:, None] * mass
dz = p * (dp - (dp * p).sum(axis=1, keepdims=True))
dW = x.T @ dz
"""
PROGRAMS = [
    TORCH.replace("{dtype}", "float32"),
    TORCH.replace("{dtype}", "float64"),
    NUMPY,
]
IDS = ["float32", "float64", "NumPy"]


@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
def test_the_closed_form_is_right(check, program):
    rows = [row for row in check(program).rows if row.hand]
    assert {row.hand for row in rows} >= {"dp", "dz", "dW"}
    assert {row.verdict for row in rows} <= {"exact", "rounding"}


@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
@pytest.mark.parametrize(
    ("was", "now"),
    [("dz = p * (dp - ", "dz = p * (dp + "), ("dW = x.T @ dz", "dW = x.T @ dz * 1.001")],
)
def test_a_mistake_in_it_is_found(check, program, was, now):
    assert was in program
    roots = [row.hand for row in check(program.replace(was, now)).rows if row.blame == "root"]
    assert roots == [now.split(" ")[0]]


def test_a_maximum_that_counts_has_a_gradient(check):
    """The same subtraction, but of the largest of all from one row: it does not cancel."""
    program = """
import torch
torch.manual_seed(3)
z = torch.randn(9, 4, requires_grad=True)
top = z.max(1, keepdim=True).values
s = z - top
loss = (s ** 2).sum()
loss.backward()
ds = 2 * s
dz = ds
"""
    roots = [row.hand for row in check(program).rows if row.blame == "root"]
    assert roots == ["dz"]
