# ruff: noqa: E501 - derived lines are as long as they are
"""The derived lines of small forward passes, one for each difficulty."""

import pytest
import torch

from checker.write.derive.conftest import START, derived, off, pasted, verdicts
from handgrad.checker.records import VerdictName
from handgrad.checker.write.derive.records import Derivation, Gradient

LINES = {
    "a name bound again in a loop": (
        """\
x = torch.randn(5, 3)
w = torch.randn(3, 3, requires_grad=True)
h = x  # begin
for i in range(3):
    h = torch.tanh(h @ w)  # a step
loss = h.mean()
""",
        """\
# recomputed: no name holds these tensors
h_1 = torch.tanh(x @ w)
h_2 = torch.tanh(h_1 @ w)
# loss = h.mean()
dh = torch.full_like(h, 1 / h.numel())
# h = torch.tanh(h @ w)
dh_2 = (1 - h**2) * dh @ w.T
dw = h_2.T @ ((1 - h**2) * dh)
dh_1 = (1 - h_2**2) * dh_2 @ w.T
dw += h_1.T @ ((1 - h_2**2) * dh_2)
dw += x.T @ ((1 - h_1**2) * dh_1)
""",
    ),
    "a node used twice": (
        """\
x = torch.randn(5, 4, requires_grad=True)
y = x * x
z = y + x
q = z.exp() * y
loss = (q + z).sum()
""",
        """\
# loss = (q + z).sum()
dq = torch.ones_like(q)
dz = torch.ones_like(z)
# q = z.exp() * y
dy = z.exp() * dq
dz += z.exp() * (y * dq)
# z = y + x
dy += dz
dx = dz.clone()
# y = x * x
dx += 2 * x * dy
""",
    ),
    "broadcasting": (
        """\
x = torch.randn(5, 1, requires_grad=True)
y = torch.randn(4, requires_grad=True)
s = torch.tensor(0.5, requires_grad=True)
one = torch.randn(1, requires_grad=True)
z = x * y + s
loss = (z * one).pow(2).mean()
""",
        """\
# loss = (z * one).pow(2).mean()
dz = one * (2 * (z * one) / z.numel())
done = (z * (2 * (z * one) / z.numel())).sum().view(1)
# z = x * y + s
ds = dz.sum()
dx = (y * dz).sum(1, keepdim=True)
dy = (x * dz).sum(0)
""",
    ),
    "views": (
        """\
x = torch.randn(6, 4, requires_grad=True)
y = x.T
z = y[1]
v = x.view(3, 8)
u = v.reshape(-1)
loss = (z * 2).sum() + (u**2).sum()
""",
        """\
# loss = (z * 2).sum() + (u**2).sum()
du = 2 * u
dz = torch.full_like(z, 2)
# u = v.reshape(-1)
dv = du.reshape(v.shape)
# v = x.view(3, 8)
dx = dv.view(x.shape).clone()
# z = y[1]
dy = torch.zeros_like(y)
dy[1] = dz
# y = x.T
dx += dy.T
""",
    ),
    "two names of one tensor": (
        """\
x = torch.randn(3, requires_grad=True)
y = x * 2
z = y
loss = (z * y).sum()
""",
        """\
# loss = (z * y).sum()
dy = 2 * y
# y = x * 2
dx = 2 * dy
""",
    ),
    "scalars only": (
        """\
a = torch.tensor(2.0, requires_grad=True)
b = torch.tensor(-3.0, requires_grad=True)
c = a * b
d = c + a**2
e = torch.tanh(d)
loss = e * 2
""",
        """\
# loss = e * 2
de = torch.full_like(e, 2)
# e = torch.tanh(d)
dd = (1 - e**2) * de
# d = c + a**2
dc = dd.clone()
da = 2 * a * dd
# c = a * b
da += b * dc
db = a * dc
""",
    ),
    "an empty batch": (
        """\
x = torch.randn(0, 4, requires_grad=True)
w = torch.randn(4, 3, requires_grad=True)
y = x @ w
loss = y.sum()
""",
        """\
# loss = y.sum()
dy = torch.ones_like(y)
# y = x @ w
dx = dy @ w.T
dw = x.T @ dy
""",
    ),
    "a reduction of a reduction": (
        """\
x = torch.randn(5, 4, requires_grad=True)
loss = x.std(1).mean() + x.sum(1).mean()
""",
        """\
# loss = x.std(1).mean() + x.sum(1).mean()
dx = torch.full_like(x, 1 / 5)
dx += (x - x.mean(1, keepdim=True)) / ((x.shape[1] - 1) * x.std(1).unsqueeze(1)) / 5
""",
    ),
    "in place": (
        """\
x = torch.randn(5, 4, requires_grad=True)
y = x * 2
y += 1
y.mul_(x)
y[:, 0] = 0
loss = y.sum()
""",
        """\
# recomputed: no name holds these tensors
y_1 = x * 2
y_2 = y_1 + 1
# loss = y.sum()
dy = torch.ones_like(y)
# y[:, 0] = 0
dy_3 = dy.clone()
dy_3[:, 0] = 0
# y.mul_(x)
dy_2 = x * dy_3
dx = y_2 * dy_3
# y += 1
dy_1 = dy_2.clone()
# y = x * 2
dx += 2 * dy_1
""",
    ),
    "a comment of the user's": (
        """\
x = torch.randn(3, requires_grad=True)
y = x * 2  # twice # "of it"
z = torch.tanh(  # several
    y  # lines
)
loss = z.sum()  # and so on
""",
        """\
# loss = z.sum()
dz = torch.ones_like(z)
# z = torch.tanh(
# y
# )
dy = (1 - z**2) * dz
# y = x * 2
dx = 2 * dy
""",
    ),
    "a model's parameters": (
        """\
model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
X = torch.randn(7, 4)
Y = torch.tensor([0, 1, 2, 0, 1, 2, 0])
out = model(X)
loss = F.cross_entropy(out, Y)
""",
        """\
# loss = F.cross_entropy(out, Y)
dout = (torch.softmax(out, 1) - F.one_hot(Y, out.shape[1])) / out.shape[0]
# out = model(X)
dmodel_2_bias = dout.sum(0)
dmodel_2_weight = dout.T @ torch.tanh(F.linear(X, model[0].weight, model[0].bias))
dlinear = (1 - torch.tanh(F.linear(X, model[0].weight, model[0].bias)) ** 2) * (dout @ model[2].weight)
dmodel_0_bias = dlinear.sum(0)
dmodel_0_weight = dlinear.T @ X
""",
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_the_lines_pass_a_check_below_their_forward_pass(name: str) -> None:
    source, lines = LINES[name]
    found = derived(START + source)
    assert str(found) == lines
    assert off(found) == []
    report = pasted(START + source, found)
    assert [(row.hand, row.verdict) for row in report.rows if row.verdict == "wrong"] == []


def test_an_operation_without_a_rule_is_reported_and_the_rest_is_derived() -> None:
    found = derived(START + UNKNOWN)
    assert str(found) == UNKNOWN_LINES
    assert verdicts(found) == {"db": "exact", "da": "exact", "dvalues": "exact", "dx": None}
    (step,) = found.missing
    assert (step.line, step.cell, step.why) == (5, None, "no rule for linalg_eigh")
    assert step.statement == "values, vectors = torch.linalg.eigh(x.T @ x)"
    assert not found.ok
    assert found.summary() == "3 of 4 gradients: 3 exact, 1 not derived."


UNKNOWN = """\
x = torch.randn(5, 6, requires_grad=True)
values, vectors = torch.linalg.eigh(x.T @ x)
a = values * 2
b = torch.tanh(x)
loss = a.sum() + b.sum()
"""
UNKNOWN_LINES = """\
# loss = a.sum() + b.sum()
db = torch.ones_like(b)
da = torch.ones_like(a)
# b = torch.tanh(x)
dx = (1 - b**2) * db
# a = values * 2
dvalues = 2 * da
# values, vectors = torch.linalg.eigh(x.T @ x)
# no rule for linalg_eigh
"""


def test_a_tensor_that_cannot_be_recomputed_is_reported() -> None:
    source = "x = torch.randn(4, requires_grad=True)\nloss = F.dropout(x.exp(), 0.5).sum()\n"
    found = derived(START + source)
    assert [step.why for step in found.missing] == [
        "cannot be written: the result of dropout() is needed but has no name, and cannot be "
        "recomputed: it is random"
    ]
    assert verdicts(found) == {"dx": None}


def test_the_summary_counts_wrong_and_missing_gradients_apart() -> None:
    verdicts: list[VerdictName | None] = ["exact", "rounding", "wrong", None]
    gradients = tuple(Gradient("x", "dx", verdict, (3,)) for verdict in verdicts)
    found = Derivation("f.py", "loss", (), gradients)
    assert not found.ok
    assert found.summary() == (
        "2 of 4 gradients: 1 exact, 1 correct up to rounding, 1 wrong, 1 not derived."
    )


def test_gradients_have_the_dtype_of_their_tensors() -> None:
    source = "x = torch.randn(4, dtype=torch.bfloat16, requires_grad=True)\nloss = x.exp().sum()\n"
    found = derived(START + source)
    assert off(found) == []
    space = {"torch": torch, "x": torch.ones(4, dtype=torch.bfloat16)}
    exec(str(found), space)
    assert space["dx"].dtype == torch.bfloat16
