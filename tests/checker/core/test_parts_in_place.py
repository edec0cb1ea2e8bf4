"""Small parts of a buffer that are written one after the other: they share its memory."""

import pytest

SPLIT = """
import torch
torch.manual_seed(0)
x, W = torch.randn(24, 5), torch.randn(5, 4, requires_grad=True)
z = x @ W
h = torch.tanh(z)
weight = torch.rand(24, 4)
loss = (weight * h).sum()
loss.backward()
with torch.no_grad():
    dz = weight.clone()
    for part, slope in zip(dz.split(4), (1 - h**2).split(4)):
        part *= slope
    dW = x.T @ dz
"""
CARRIED = """
import torch
torch.manual_seed(0)
xs, U = torch.randn(10, 2, 3), torch.randn(3, 3, requires_grad=True)
h, states = torch.zeros(2, 3), []
for x in xs:
    h = torch.tanh(x + h @ U)
    states.append(h)
H = torch.stack(states)
weight = torch.rand(10, 2, 3)
loss = (weight * H).sum()
loss.backward()
with torch.no_grad():
    da, dU = weight.clone(), torch.zeros_like(U)
    carry = torch.zeros(2, 3)
    for t in reversed(range(10)):
        row = da[t]
        row += carry
        row *= 1 - H[t]**2
        carry = row @ U.T
        if t > 0:
            dU += H[t - 1].T @ row
"""
NUMPY = """
import numpy as np
rng = np.random.default_rng(0)
T, B, H = 6, 3, 4
x, W = rng.normal(size=(T, B, H)), rng.normal(size=(H, H))
h = np.tanh(x @ W)
target = rng.normal(size=(T, B, H))
loss = 0.5 * ((h - target) ** 2).sum()
dh = h - target
da = np.ones((T, B, H))
for t in range(T):
    row = da[t]
    row *= dh[t]
    row *= 1 - h[t] ** 2
dW = x.reshape(-1, H).T @ da.reshape(-1, H)
"""
PROGRAMS = {"split": SPLIT, "carried": CARRIED, "NumPy": NUMPY}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_all_is_right(check, program):
    rows = [row for row in check(program).rows if row.hand]
    assert rows
    assert {row.verdict for row in rows} <= {"exact", "rounding"}


@pytest.mark.parametrize(
    ("name", "was", "now"),
    [
        ("split", "(1 - h**2).split(4)", "(1 - h).split(4)"),
        ("split", "dW = x.T @ dz", "dW = x.T @ dz / 2"),
        ("carried", "row *= 1 - H[t]**2", "row *= 1 - H[t]"),
        ("carried", "carry = row @ U.T", "carry = row @ U"),
        ("NumPy", "row *= 1 - h[t] ** 2", "row *= 1 + h[t] ** 2"),
        ("NumPy", "dh = h - target", "dh = target - h"),
    ],
)
def test_a_mistake_is_found(check, name, was, now):
    assert was in PROGRAMS[name]
    assert any(row.blame == "root" for row in check(PROGRAMS[name].replace(was, now)).rows)
