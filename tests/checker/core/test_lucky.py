"""Right gradients that other upstream gradients seem to speak against, and do not."""

METHOD = """
import numpy as np
class Net:
    def __init__(self, rng):
        self.W1, self.W2 = rng.normal(size=(5, 8)), rng.normal(size=(8, 3))
    def loss(self, y, reg):
        data = -np.log(self.probs[range(len(y)), y]).mean()
        return data + reg / 2 * (np.sum(self.W1 ** 2) + np.sum(self.W2 ** 2))
rng = np.random.default_rng(3)
X, y, reg = rng.normal(size=(14, 5)), rng.integers(0, 3, 14), 0.1
net = Net(rng)
z1 = X @ net.W1
a1 = np.tanh(z1)
z2 = a1 @ net.W2
e = np.exp(z2 - z2.max(1, keepdims=True))
net.probs = e / e.sum(1, keepdims=True)
loss = net.loss(y, reg)
dz2 = net.probs.copy()
dz2[range(14), y] -= 1
dz2 /= 14
dW2 = a1.T @ dz2 + reg * net.W2
da1 = dz2 @ net.W2.T
dz1 = da1 * (1 - a1 ** 2)
dW1 = X.T @ dz1 + reg * net.W1
"""
POOL = """
import numpy as np
rng = np.random.default_rng(1)
out = rng.normal(size=(3, 4, 4, 4))
act = np.maximum(out, 0)
pool = act.reshape(3, 4, 2, 2, 2, 2).max(axis=(3, 5))
loss = (pool ** 3).sum()
dpool = 3 * pool ** 2
up = pool.repeat(2, axis=2).repeat(2, axis=3)
dact = (act == up) * dpool.repeat(2, axis=2).repeat(2, axis=3)
dout = dact * (out > 0)
"""
GATES = """
import torch
torch.manual_seed(8)
D, H, T = 4, 5, 6
x, target = torch.randn(T, D), torch.randn(T, H)
Wi, Wf, Wg = (torch.randn(D + H, H) * 0.4 for _ in range(3))
h = c = torch.zeros(1, H)
tape, loss = [], torch.zeros(())
for t in range(T):
    v = torch.cat([x[t:t + 1], h], 1)
    i, f, g = torch.sigmoid(v @ Wi), torch.sigmoid(v @ Wf), torch.tanh(v @ Wg)
    c_prev = c
    c = f * c + i * g
    h = torch.tanh(c)
    e = h - target[t:t + 1]
    loss = loss + 0.5 * (e ** 2).sum()
    tape.append((v, i, f, g, c_prev, h, e))
dWi, dWf, dWg = (torch.zeros_like(W) for W in (Wi, Wf, Wg))
dh_next, dc_next = torch.zeros(1, H), torch.zeros(1, H)
for v, i, f, g, c_prev, h_t, e in reversed(tape):
    dh = e + dh_next
    dc = dh * (1 - h_t ** 2) + dc_next
    di, df, dg = dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dc * i * (1 - g ** 2)
    for W, dW, d in ((Wi, dWi, di), (Wf, dWf, df), (Wg, dWg, dg)):
        dW += v.T @ d
    dv = di @ Wi.T + df @ Wf.T + dg @ Wg.T
    dh_next = dv[:, D:]
    dc_next = dc * f
"""


def said(report) -> list[str]:
    """Return what speaks against a gradient."""
    notes = [note.message for note in report.notes if note.code == "HG207"]
    return [row.hand for row in report.rows if row.blame or row.verdict == "wrong"] + notes


def test_a_loss_that_a_method_returns_is_read_by_what_it_regularises(check):
    assert said(check(METHOD)) == []
    assert said(check(METHOD.replace("reg * net.W2", "reg / 2 * net.W2")))[0] == "dW2"


def test_ties_of_a_maximum(check):
    """Zeros of a ReLU tie for the maximum of a window; which of them gets the gradient is free."""
    assert said(check(POOL)) == []
    assert said(check(POOL.replace("3 * pool ** 2", "2 * pool ** 2")))[0] == "dpool"


def test_a_gradient_that_is_0_at_the_first_step_of_a_loop(check):
    assert said(check(GATES)) == []
    assert "di" in said(check(GATES.replace("g * i * (1 - i)", "g * i * (1 + i)")))
