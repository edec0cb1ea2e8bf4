"""Whole programs: how passes, names, loops and losses are found in them."""

import pytest
import torch

from checker.core.conftest import START
from handgrad.errors import CheckError

RIGHT = {"exact", "rounding"}


def found(report):
    """Return each gradient as (by hand, node, right or the verdict, blame), without the missing."""
    return [
        (r.hand, r.node, "right" if r.verdict in RIGHT else r.verdict, r.blame)
        for r in report.rows
        if r.hand
    ]


TRAINING = (
    START
    + """
with torch.no_grad():
    for step in range(500):
        y = x @ w
        loss = F.cross_entropy(y, torch.tensor([0, 1, 2, 0, 1]))
        dy = F.softmax(y, 1)
        dy[range(5), [0, 1, 2, 0, 1]] -= 1
        dy /= 5
        dw = x.T @ dy
        w.data += -0.1 * dw
"""
)


def test_a_training_loop_by_hand_without_backward_is_graded_and_then_left_alone(check):
    names = {}
    report = check(TRAINING, names=names)
    assert found(report) == [("dy", "y", "right", None), ("dw", "w", "right", None)]
    plain = {}
    exec(TRAINING, plain)
    assert torch.equal(names["w"], plain["w"])  # to the bit, over all 500 steps


def test_a_mistake_in_a_training_loop_is_named_once(check):
    report = check(TRAINING.replace("-= 1", "-= 2"), max_steps=3)
    assert found(report) == [("dy", "y", "wrong", "root"), ("dw", "w", "wrong", "inherited")]


def test_what_changes_unrecorded_after_the_cut_does_not_change_the_grades(check):
    late = "        if step > 4:\n            x.mul_(1.01)\n        y = x @ w\n"
    report = check(TRAINING.replace("        y = x @ w\n", late))
    assert found(report) == [("dy", "y", "right", None), ("dw", "w", "right", None)]


def test_what_comes_after_a_loop_that_was_cut_is_graded_again(check):
    report = check(
        START
        + "for step in range(50):\n    y = x @ w\n    loss = (y**2).mean()\n    loss.backward()\n"
        "    with torch.no_grad():\n        w -= 0.1 * w.grad\n    w.grad = None\n"
        + "y = x @ w\nloss = (y**2).mean()\nloss.backward()\ndy = 2 * y / 15\ndw = x.T @ dy"
    )
    assert found(report) == [("dy", "y", "right", None), ("dw", "w", "right", None)]


DICTIONARIES = """
import torch
g = torch.Generator().manual_seed(1)
params = {"W": torch.randn(4, 6, generator=g), "b": torch.randn(6, generator=g)}
for p in params.values():
    p.requires_grad_()
x = torch.randn(5, 4, generator=g)
cache = {}
cache["z"] = x @ params["W"] + params["b"]
out = torch.relu(cache["z"])
loss = out.pow(2).sum()
loss.backward()
grads = {}
dout = 2 * out
grads["z"] = dout * (cache["z"] > 0)
grads["W"] = x.T @ grads["z"]
grads["b"] = grads["z"].sum(0) * 2
"""
FUNCTIONS = """
import torch
g = torch.Generator().manual_seed(1)
def linear(x, W, b):
    out = x @ W + b
    return out
def linear_backward(dout, x, W):
    dx = dout @ W.T
    dW = x.T @ dout
    db = dout.sum(0)
    return dx, dW, db
x = torch.randn(5, 4, generator=g)
W1 = torch.randn(4, 6, generator=g, requires_grad=True)
b1 = torch.randn(6, generator=g, requires_grad=True)
W2 = torch.randn(6, 3, generator=g, requires_grad=True)
b2 = torch.randn(3, generator=g, requires_grad=True)
h = torch.relu(linear(x, W1, b1))
y = linear(h, W2, b2)
loss = (y**2).mean()
loss.backward()
dy = 2 * y / y.numel()
dh, dW2, db2 = linear_backward(dy, h, W2)
dz = dh * (h > 0)
dx, dW1, db1 = linear_backward(dz, x, W1)
"""


def test_gradients_in_a_dictionary(check):
    assert found(check(DICTIONARIES)) == [
        ("dout", "out", "right", None),
        ("grads['z']", "cache['z']", "right", None),
        ("grads['W']", "params['W']", "right", None),
        ("grads['b']", "params['b']", "wrong", "root"),
    ]


def test_functions_called_several_times(check):
    report = check(FUNCTIONS)
    assert {row[0] for row in found(report)} >= {"dy", "dh", "dW2", "db2", "dW1", "db1"}
    assert {row[2:] for row in found(report)} == {("right", None)}


def test_a_fault_inside_a_function_is_named_there(check):
    report = check(FUNCTIONS.replace("dW = x.T @ dout", "dW = 2 * x.T @ dout"))
    roots = {(r.hand, r.place.line) for r in report.rows if r.blame == "root"}
    assert roots == {("dW", 9)}
    heirs = {r.hand for r in report.rows if r.blame == "inherited"}
    assert heirs == {"dW1", "dW2"}


def test_several_losses_and_backward_calls(check):
    step = "y = x @ w\nloss{0} = (y**{0}).sum()\nw.grad = None\nloss{0}.backward()\n"
    report = check(
        START + step.format(2) + "dy = 2 * y\ndw = x.T @ dy\n"
        + step.format(3) + "dy = 2 * y**2\ndw = x.T @ dy\n"
    )  # fmt: skip
    assert found(report) == [
        ("dy", "y", "right", None),
        ("dw", "w", "right", None),
        ("dy", "y", "wrong", "root"),
        ("dw", "w", "wrong", "inherited"),
    ]


PROGRAMS = {
    "no tensor requires a gradient": (
        START.replace(", requires_grad=True", "")
        + "y = x @ w\nloss = (y**2).mean()\ndy = 2 * y / 15\ndw = x.T @ dy\ndx = dy @ w.T",
        [("dy", "y"), ("dw", "w"), ("dx", "x")],
    ),
    "by hand before backward": (
        START + "y = x @ w\nloss = (y**2).mean()\ndy = 2 * y / 15\ndw = x.T @ dy\nloss.backward()",
        [("dy", "y"), ("dw", "w")],
    ),
    "the one number is the loss": (
        START + "y = x @ w\ns = y**2\nmean_square = s.mean()\nds = torch.ones_like(s) / 15\n"
        "dy = 2 * y * ds\ndw = x.T @ dy",
        [("ds", "s"), ("dy", "y"), ("dw", "w")],
    ),
    "other names for gradients": (
        START + "y = x @ w\nz = y**2\nloss = z.mean()\nloss.backward()\n"
        "grad_z = torch.ones_like(z) / 15\ny_grad = 2 * y * grad_z\ndw_ = x.T @ y_grad",
        [("grad_z", "z"), ("y_grad", "y"), ("dw_", "w")],
    ),
    "elements and numbers": (
        START + "y = x @ w\nloss = (y**2).mean()\nloss.backward()\ndy = torch.zeros_like(y)\n"
        "for i in range(5):\n    for j in range(3):\n        dy[i, j] = 2 * y[i, j].item() / 15\n"
        "dw = torch.zeros(4, 3)\nfor i in range(5):\n    dw.add_(torch.outer(x[i], dy[i]))",
        [("dy", "y"), ("dw", "w")],
    ),
    "index_add": (
        START + "i = torch.tensor([0, 2, 2])\nrows = w[i]\nloss = (rows**2).sum()\n"
        "loss.backward()\ndrows = 2 * rows\ndw = torch.zeros_like(w)\ndw.index_add_(0, i, drows)",
        [("drows", "rows"), ("dw", "w")],
    ),
    "numpy": (
        START + "y = x @ w\nloss = (y**2).mean()\nloss.backward()\n"
        "dy = torch.from_numpy(2 * y.detach().numpy() / 15)\ndw = x.T @ dy",
        [("dy", "y"), ("dw", "w")],
    ),
    "a forward pass that writes in place": (
        START + "y = x @ w\ny += 1\ny[:, 0] *= 3\nz = y.exp()\nloss = z.mean()\nloss.backward()\n"
        "dz = torch.ones_like(z) / 15\ndy = dz * z\ndy[:, 0] *= 3\ndw = x.T @ dy",
        [("dz", "z"), ("dy", "y"), ("dw", "w")],
    ),
    "half precision on the way": (
        START + "y = (x.bfloat16() @ w.bfloat16()).float()\nloss = (y**2).mean()\n"
        "loss.backward()\ndy = 2 * y / 15\ndw = x.T @ dy",
        [("dy", "y"), ("dw", "w")],
    ),
    "a step of an optimizer between": (
        START + "opt = torch.optim.Adam([w], lr=0.1)\nfor i in range(9):\n    y = x @ w\n"
        "    loss = (y**2).mean()\n    opt.zero_grad()\n    loss.backward()\n    dy = 2 * y / 15\n"
        "    dw = x.T @ dy\n    opt.step()",
        [("dy", "y"), ("dw", "w")],
    ),
    "weights replaced between": (
        START + "for i in range(2):\n    y = x @ w\n    loss = (y**2).mean()\n    loss.backward()\n"
        "    dy = 2 * y / 15\n    dw = x.T @ dy\n    w.data = w.data - 0.1 * dw",
        [("dy", "y"), ("dw", "w")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PROGRAMS)
def test_programs_that_are_right(check, kind):
    code, expected = PROGRAMS[kind]
    report = check(code)
    assert found(report) == [(hand, node, "right", None) for hand, node in expected]
    assert report.ok


def test_what_numpy_computed_from_a_wrong_gradient_inherits(check):
    report = check(
        START + "y = x @ w\nloss = (y**2).mean()\nloss.backward()\ndy = 3 * y / 15\n"
        "dw = torch.from_numpy(x.numpy().T @ dy.detach().numpy())"
    )
    assert found(report) == [("dy", "y", "wrong", "root"), ("dw", "w", "wrong", "inherited")]


def test_a_pair_named_by_hand(check):
    code = START + "y = x @ w\nloss = (y**2).mean()\nloss.backward()\nslope = 2 * y / 15"
    with pytest.raises(CheckError):
        check(code)
    assert found(check(code, pairs={"slope": "y"})) == [("slope", "y", "right", None)]


def test_a_likely_name_is_paired_by_its_value_alone(check):
    code = START + "y = x @ w\nloss = (y**2).mean()\nloss.backward()\ndelta = 2 * y / 15"
    report = check(code)
    assert found(report) == [("delta", "y", "right", None)]
    assert report.rows[0].message == "delta is the gradient of y."


def test_a_comparison_in_the_file_names_a_pair(check):
    report = check(
        "def cmp(label, mine, t):\n    print(label, torch.allclose(mine, t.grad))\n" + START
        + "y = x @ w\ny.retain_grad()\nloss = (y**2).mean()\nloss.backward()\ndelta = 2 * y / 15\n"
        "cmp('y', delta, y)"
    )  # fmt: skip
    assert found(report) == [("delta", "y", "right", None)]
    assert report.rows[0].message == "delta is the gradient of y."


def test_a_view_of_a_parameter_made_under_no_grad(check):
    """It says that it requires a gradient, and has no place for one."""
    report = check(
        "import torch\n"
        "w = torch.randn(5, 3, requires_grad=True)\n"
        "with torch.no_grad():\n"
        "    turned = w.T\n"
        "loss = (w * 2).sum()\n"
        "loss.backward()\n"
        "dw = torch.full_like(w, 2)\n"
    )
    assert [(row.hand, row.verdict) for row in report.rows if row.hand] == [("dw", "exact")]
