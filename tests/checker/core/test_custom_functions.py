"""Files with an autograd.Function of their own: its forward is differentiated as all else is."""

import pytest

from handgrad.errors import CheckError

PROGRAM = """
import torch
torch.manual_seed(0)
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return {forward}
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return {backward}
w = torch.randn(3, 2, requires_grad=True)
v = torch.randn(2, 4, requires_grad=True)
z = w * 3
y = Square.apply(z)
out = y @ v
loss = (out**2).sum()
loss.backward()
dout = 2 * out
dy = dout @ v.T
dz = {dz}
dw = 3 * dz
dv = y.T @ dout
"""
RIGHT = {"forward": "x**2", "backward": "2 * x * dout", "dz": "2 * z * dy"}


def test_what_it_computes_is_graded(check):
    report = check(PROGRAM.format(**RIGHT))
    assert {r.hand: r.verdict for r in report.rows} == dict.fromkeys(
        ("dout", "dy", "dz", "dw", "dv"), "exact"
    )


def test_a_mistake_behind_it_is_named(check):
    report = check(PROGRAM.format(**{**RIGHT, "dz": "3 * z * dy"}))
    (row,) = (r for r in report.rows if r.blame == "root")
    assert (row.hand, row.cause, row.fix) == ("dz", "HG103", "dz = 2 * z * dy")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"backward": "3 * x * dout"},
            "the backward() of Square, a torch.autograd.Function, does not return the gradient of "
            "its forward(); check it alone: handgrad.check_function(Square.apply, inputs)",
        ),
        (
            {"forward": "torch.from_numpy(x.detach().numpy() ** 2)"},
            "Square is a torch.autograd.Function, and autograd does not see its steps; write its "
            "two halves as functions for handgrad.check(forward, backward, inputs)",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_with_the_reason(check, change, reason):
    with pytest.raises(CheckError) as caught:
        check(PROGRAM.format(**{**RIGHT, **change}))
    start = "it: the operations that lead to loss cannot be run again in float64: "
    assert str(caught.value) == start + reason
