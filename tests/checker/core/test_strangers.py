"""Passes as other people write them: what once was misjudged."""

import pytest

from checker.core.conftest import named

LAYERS = """
import torch
torch.manual_seed(0)
class Linear:
    def __init__(self, nin, nout):
        self.W = torch.randn(nin, nout)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = self.x.T @ dout
        dx = dout @ self.W.T
        return dx
class Tanh:
    def forward(self, x):
        self.out = torch.tanh(x)
        return self.out
    def backward(self, dout):
        return dout * (1 - self.out**2)
X = torch.randn(10, 4)
first, act, second = Linear(4, 8), Tanh(), Linear(8, 2)
h = first.forward(X)
a = act.forward(h)
out = second.forward(a)
loss = (out**2).sum()
dout = 2 * out
da = second.backward(dout)
dh = act.backward(da)
dX = first.backward(dh)
"""
SHARED_MEMORY = """
import torch
torch.manual_seed(0)
x = torch.randn(4, 3)
W = torch.randn(3, 6, requires_grad=True)
a = x @ W
h = torch.tanh(a)
loss = (h**2).sum() / 2
loss.backward()
dh = h
da = dh * (1 - h**2)
dW = x.T @ da
"""
SECOND_NAME = """
import torch
torch.manual_seed(0)
h = torch.randn(4, 6, requires_grad=True)
U = torch.randn(6, 6)
z = torch.sigmoid(h @ U)
hprev = h
out = z * hprev
loss = (out**2).sum()
loss.backward()
dout = 2 * out
dz = dout * hprev
dzpre = dz * z * (1 - z)
dhprev = dout * z
dhprev = dhprev + dzpre @ U.T
"""
DICTIONARIES = """
import torch
torch.manual_seed(0)
params = {'W1': torch.randn(5, 8), 'W2': torch.randn(8, 3)}
X = torch.randn(20, 5)
def forward(params, X):
    cache = {}
    cache['a'] = torch.tanh(X @ params['W1'])
    return cache['a'] @ params['W2'], cache
def backward(params, cache, dout):
    grads = {}
    grads['W2'] = cache['a'].T @ dout
    dz = (dout @ params['W2'].T) * (1 - cache['a']**2)
    grads['W1'] = X.T @ dz
    return grads
out, cache = forward(params, X)
loss = (out**2).sum()
dout = 2 * out
grads = backward(params, cache, dout)
"""
FUNCTIONS = """
import torch
torch.manual_seed(0)
def affine_forward(x, w):
    return x @ w, (x, w)
def affine_backward(dout, cache):
    x, w = cache
    dx = dout @ w.T
    dw = x.T @ dout
    return dx, dw
def relu_forward(x):
    return x.clamp(min=0), x
def relu_backward(dout, cache):
    x = cache
    dx = dout * (x > 0)
    return dx
x = torch.randn(6, 4)
W1, W2 = torch.randn(4, 7), torch.randn(7, 3)
h, cache1 = affine_forward(x, W1)
a, cache2 = relu_forward(h)
out, cache3 = affine_forward(a, W2)
loss = (out**2).sum()
dL_dout = 2 * out
da, dW2 = affine_backward(dL_dout, cache3)
dh = relu_backward(da, cache2)
dx, dW1 = affine_backward(dh, cache1)
"""
STEPS = """
import torch
x = torch.linspace(-1, 1, 50)
w, b = torch.tensor(0.1), torch.tensor(0.2)
for epoch in range(5):
    yhat = w * x + b
    loss = ((yhat - 3 * x) ** 2).mean()
    dyhat = 2 * (yhat - 3 * x) / len(x)
    dw = (dyhat * x).sum()
    db = dyhat.sum()
    w = w - 0.1 * dw
    b = b - 0.1 * db
"""
DETACHED = """
import torch
torch.manual_seed(0)
w = torch.randn(4, 4, requires_grad=True)
x = torch.randn(3, 4)
q = x @ w
base = q.detach().mean()
loss = (q**2).sum() * base
loss.backward()
dq = 2 * q * base
dw = x.T @ dq
"""


RIGHT = [LAYERS, SHARED_MEMORY, SECOND_NAME, DICTIONARIES, FUNCTIONS, STEPS, DETACHED]


@pytest.mark.parametrize("code", RIGHT)
def test_what_is_right_is_called_right(check, code):
    report = check(code)
    assert {r.verdict for r in report.rows} <= {"exact", "rounding"}
    assert named(report) == {}


def test_a_layer_used_twice_is_graded_at_each_use(check):
    report = check(LAYERS.replace("return dout * (1 - self.out**2)", "return dout * self.out"))
    assert named(report) == {"Tanh.backward()": 19}
    verdicts = {r.hand: (r.verdict, r.blamed_on) for r in report.rows}
    assert verdicts["dh"] == verdicts["dX"] == ("wrong", ("Tanh.backward()",))


def test_functions_that_take_the_same_names_are_told_apart(check):
    report = check(FUNCTIONS)
    assert report.notes == ()  # `x = cache` computes nothing again
    assert ("dL_dout", "out") in {(r.hand, r.node) for r in report.rows}
    report = check(FUNCTIONS.replace("(x > 0)", "(x > 0.5)"))
    assert named(report) == {"dx": 15}


def test_one_branch_too_little_of_a_node_with_two_names_is_named_alone(check):
    report = check(SECOND_NAME.replace("dhprev + dzpre @ U.T", "dhprev + dzpre @ U"))
    (row,) = [r for r in report.rows if r.blame == "root"]
    assert (row.hand, [p.line for p in row.places]) == ("dhprev", [15])


def test_gradients_in_a_dictionary_that_a_function_returns_are_shown(check):
    report = check(DICTIONARIES)
    assert {r.hand: r.node for r in report.rows} == {
        "dout": "out",
        "grads['W2']": "params['W2']",
        "grads['W1']": "params['W1']",
        "dz": "(X @ params['W1'])",
    }


UNROLLED = """
import torch
torch.manual_seed(0)
T = 4
W, U, V = torch.randn(3, 5), torch.randn(5, 5), torch.randn(5, 2)
x = torch.randn(T, 6, 3)
hs, ys = {-1: torch.zeros(6, 5)}, {}
loss = 0
for t in range(T):
    hs[t] = torch.tanh(x[t] @ W + hs[t - 1] @ U)
    ys[t] = hs[t] @ V
    loss = loss + (ys[t]**2).sum()
dW, dU, dV = torch.zeros_like(W), torch.zeros_like(U), torch.zeros_like(V)
dnext = torch.zeros(6, 5)
for t in reversed(range(T)):
    dy = 2 * ys[t]
    dV += hs[t].T @ dy
    dh = dy @ V.T + dnext
    draw = dh * (1 - hs[t]**2)
    dW += x[t].T @ draw
    dU += hs[t - 1].T @ draw
    dnext = draw @ U.T
"""


def test_gradients_of_the_elements_of_a_list_are_graded_in_turn(check):
    report = check(UNROLLED)
    assert report.ok
    lists = {r.hand: r.node.split("[")[0] for r in report.rows if r.hand != "draw"}
    assert lists == {"dW": "W", "dU": "U", "dV": "V", "dh": "hs", "dy": "ys", "dnext": "hs"}
    assert {r.node in f"({UNROLLED})" for r in report.rows if r.hand == "draw"} == {True}


@pytest.mark.parametrize(
    ("old", "new", "hand", "line"),
    [
        ("2 * ys[t]", "ys[t]", "dy", 16),
        (" + dnext", "", "dh", 18),
        ("@ V.T", "@ V.T * 2", "dh", 18),
    ],
)
def test_a_fault_in_a_loop_over_a_list_is_named_alone(check, old, new, hand, line):
    assert named(check(UNROLLED.replace(old, new))) == {hand: line}


def test_a_gradient_of_an_unnamed_result_is_judged_and_blamed(check):
    report = check(UNROLLED.replace("dh * (1 - hs[t]**2)", "dh * (1 - hs[t])"))
    assert named(report) == {"draw": 19}
    (row,) = [r for r in report.rows if r.hand == "dU"]
    assert row.message == "The line is correct and inherits the error of draw."
