"""Correct programs with hand-written gradients, in ordinary styles."""

CELL = """import numpy as np
class Cell:
    def __init__(self, r):
        self.Wx = r.randn(3, 4) * .3
        self.Wh = r.randn(4, 4) * .3
        self.b = np.zeros(4)
    def forward(self, x, h):
        self.x, self.h = x, h
        self.out = np.tanh(x @ self.Wx + h @ self.Wh + self.b)
        return self.out
    def backward(self, dout):
        da = dout * (1 - self.out ** 2)
        self.dWx = self.x.T @ da
        self.dWh = self.h.T @ da
        self.db = da.sum(0)
        return da @ self.Wx.T, da @ self.Wh.T
r = np.random.RandomState(4)
c = Cell(r)
x = r.randn(6, 3); h0 = r.randn(6, 4); t = r.randn(6, 4)
h = c.forward(x, h0)
loss = ((h - t) ** 2).sum() / 6
dh = 2 * (h - t) / 6
dx, dh0 = c.backward(dh)
"""
EMBEDDING = """import numpy as np
rng = np.random.RandomState(5)
E = rng.randn(9, 4)
W = rng.randn(4, 3)
ids = np.array([[1, 2, 2], [0, 8, 1], [3, 3, 3], [5, 1, 0]])
lab = np.array([0, 2, 1, 1])
emb = E[ids]
mean = emb.mean(axis=1)
logits = mean @ W
logits -= logits.max(1, keepdims=True)
p = np.exp(logits); p /= p.sum(1, keepdims=True)
loss = -np.log(p[np.arange(4), lab]).mean()
dlogits = p.copy()
dlogits[np.arange(4), lab] -= 1
dlogits /= 4
dW = mean.T @ dlogits
dmean = dlogits @ W.T
demb = np.repeat(dmean[:, None, :], 3, axis=1) / 3
dE = np.zeros_like(E)
np.add.at(dE, ids, demb)
"""
DICTIONARY = """import numpy as np
rng = np.random.RandomState(9)
P = {'A': rng.randn(5, 8) * .5, 'a': np.zeros(8), 'B': rng.randn(8, 1) * .5}
X, Y = rng.randn(20, 5), rng.randn(20, 1)
lr = 0.01
for it in range(5):
    pre = X @ P['A'] + P['a']
    hid = np.maximum(0, pre)
    pred = hid @ P['B']
    err = pred - Y
    loss = np.mean(err ** 2)
    g = {}
    d = 2 * err / len(X)
    g['B'] = hid.T @ d
    dh = d @ P['B'].T
    dh[pre <= 0] = 0
    g['A'] = X.T @ dh
    g['a'] = dh.sum(0)
    for k in P:
        P[k] -= lr * g[k]
"""
CONVOLUTION = """import numpy as np
rng = np.random.RandomState(11)
x = rng.randn(2, 10); w = rng.randn(3)
n, L = x.shape; K = len(w)
y = np.zeros((n, L - K + 1))
for i in range(L - K + 1):
    y[:, i] = x[:, i:i + K] @ w
loss = (y ** 2).sum() / 2
dy = y.copy()
dx = np.zeros_like(x); dw = np.zeros_like(w)
for i in range(L - K + 1):
    dx[:, i:i + K] += np.outer(dy[:, i], w)
    dw += dy[:, i] @ x[:, i:i + K]
"""
TANH = """import torch
torch.manual_seed(3)
X = torch.randn(12, 4); y = torch.randn(12)
W1 = torch.randn(4, 6); W2 = torch.randn(6, 5); w3 = torch.randn(5)
A = torch.tanh(X @ W1)
B = torch.tanh(A @ W2)
o = B @ w3
loss = ((o - y) ** 2).sum()
do = 2 * (o - y)
dw3 = B.T @ do
dB = do[:, None] * w3
dW2 = A.T @ (dB * (1 - B ** 2))
dA = (dB * (1 - B * B)) @ W2.T
dW1 = X.T @ (dA * (1 - A.pow(2)))
"""
LAYERNORM = """import torch
torch.manual_seed(8)
x = torch.randn(5, 7); g = torch.randn(7)
mu = x.mean(1, keepdim=True)
xc = x - mu
var = (xc ** 2).mean(1, keepdim=True)
inv = (var + 1e-5) ** -0.5
xh = xc * inv
out = xh * g
loss = (out ** 3).sum()
dout = 3 * out ** 2
dg = (dout * xh).sum(0)
dxh = dout * g
dinv = (dxh * xc).sum(1, keepdim=True)
dvar = -0.5 * (var + 1e-5) ** -1.5 * dinv
dxc = dxh * inv + 2 * xc * dvar / 7
dmu = -dxc.sum(1, keepdim=True)
dx = dxc + dmu / 7
"""
