"""Training loops without backward(): recorded for some steps, whatever the gradients are called."""

import pytest

LOOP = """
import torch
g = torch.Generator().manual_seed(1)
W = torch.randn(3, 2, generator=g)
x = torch.randn(4, 3, generator=g)
for step in range(40):
    p = x @ W
    loss = (p**2).sum()
    {p} = 2 * p
    {W} = x.T @ {p}
    W -= 0.01 * {W}
"""
NAMES = ("d{}", "d_{}", "grad_{}", "{}_grad", "g_{}", "{}_bar", "d{}_", "dLd{}")


@pytest.mark.parametrize("name", NAMES)
def test_a_loop_is_cut_whatever_its_gradients_are_called(check, name):
    report = check(LOOP.format(p=name.format("p"), W=name.format("W")))
    assert [note.message for note in report.notes] == [
        "recording of this loop stopped after 2 steps; its other iterations ran unrecorded."
    ]
    assert {row.hand: row.verdict for row in report.rows} == {
        name.format("p"): "exact",
        name.format("W"): "exact",
    }


UNROLLED = """
import torch
g = torch.Generator().manual_seed(1)
U = torch.randn(3, 3, generator=g, requires_grad=True)
xs = [torch.randn(4, 3, generator=g) for _ in range(6)]
h = torch.zeros(4, 3)
hs = [h]
for x in xs:
    largest = x.abs().max()
    x_bar = x.mean(0)
    h = torch.tanh((x - x_bar) / largest + h @ U)
    hs.append(h)
loss = (h**2).sum()
loss.backward()
dh = 2 * h
dU = torch.zeros_like(U)
for t in range(6, 0, -1):
    draw = dh * (1 - hs[t] ** 2)
    dU += hs[t - 1].T @ draw
    dh = draw @ U.T
"""


def test_a_mean_with_a_bar_is_no_gradient_and_an_unrolled_forward_pass_is_not_cut(check):
    report = check(UNROLLED)
    assert [note.code for note in report.notes] == []
    assert {row.hand: row.verdict for row in report.rows if row.hand == "dU"} == {"dU": "rounding"}
