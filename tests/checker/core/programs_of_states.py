"""Correct programs that keep what they need in closures, lists, dictionaries and velocities."""

PROGRAMS = {
    "closures torch": """\
import torch
torch.manual_seed(0)
def tanh_layer(x):
    y = torch.tanh(x)

    def back(dy):
        return dy * (1 - y**2)

    return y, back

def linear(x, W):
    def back(dy):
        return dy @ W.T, x.T @ dy

    return x @ W, back

x = torch.randn(6, 4)
W1 = torch.randn(4, 5)
W2 = torch.randn(5, 2)
t = torch.randn(6, 2)
a, b1 = linear(x, W1)
h, b2 = tanh_layer(a)
o, b3 = linear(h, W2)
loss = ((o - t)**2).mean()
do = 2*(o-t)/o.numel()
dh, dW2 = b3(do)
da = b2(dh)
dx, dW1 = b1(da)
""",
    "closures numpy": """\
import numpy as np

def dense(X, W, b):
    Z = X @ W + b

    def pull(G):
        return G @ W.T, X.T @ G, G.sum(0)

    return Z, pull

def relu(X):
    keep = X > 0

    def pull(G):
        return G * keep

    return X * keep, pull

rng = np.random.default_rng(1)
X = rng.normal(size=(7, 3)); Y = rng.normal(size=(7, 2))
W1, b1 = rng.normal(size=(3, 5)), np.zeros(5)
W2, b2 = rng.normal(size=(5, 2)), np.zeros(2)
A, pull1 = dense(X, W1, b1)
H, pull2 = relu(A)
O, pull3 = dense(H, W2, b2)
loss = ((O - Y)**2).mean()
G = 2*(O - Y)/O.size
G, gW2, gb2 = pull3(G)
G = pull2(G)
G, gW1, gb1 = pull1(G)
""",
    "velocity scaled in place": """\
import torch
torch.manual_seed(0)
torch.manual_seed(3)
x = torch.randn(16, 4); t = torch.randn(16, 1)
W = torch.randn(4, 1)
dW = torch.zeros_like(W)
for it in range(5):
    o = x @ W
    loss = ((o - t)**2).mean()
    do = 2*(o - t)/len(x)
    dW *= 0.9
    dW += x.T @ do
    W -= 0.05 * dW
""",
    "velocity in one line": """\
import torch
torch.manual_seed(0)
torch.manual_seed(3)
x = torch.randn(16, 4); t = torch.randn(16, 1)
W = torch.randn(4, 1)
dW = torch.zeros_like(W)
for it in range(5):
    o = x @ W
    loss = ((o - t)**2).mean()
    do = 2*(o - t)/len(x)
    dW = 0.9 * dW + x.T @ do
    W -= 0.05 * dW
""",
    "velocity as a mean": """\
import torch
torch.manual_seed(0)
x = torch.randn(16, 4); t = torch.randn(16, 1)
W = torch.randn(4, 1)
dW = torch.zeros_like(W)
for it in range(5):
    o = x @ W
    loss = ((o - t)**2).mean()
    do = 2*(o - t)/len(x)
    dW = 0.9 * dW + 0.1 * (x.T @ do)
    W -= 0.05 * dW
""",
    "velocity reset by a product": """\
import torch
torch.manual_seed(0)
x = torch.randn(16, 4); t = torch.randn(16, 1)
W = torch.randn(4, 1)
dW = torch.zeros_like(W)
for it in range(3):
    o = x @ W
    loss = ((o - t)**2).mean()
    do = 2*(o - t)/len(x)
    dW *= 0
    dW += x.T @ do
    W -= 0.05 * dW
""",
    "adam in dictionaries": """\
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(12, 3)); Y = rng.normal(size=(12, 2))
P = {'W1': rng.normal(size=(3, 5))*.5, 'b1': np.zeros(5)}
P.update(W2=rng.normal(size=(5, 2))*.5, b2=np.zeros(2))
M = {k: np.zeros_like(v) for k, v in P.items()}
V = {k: np.zeros_like(v) for k, v in P.items()}
for step in range(1, 6):
    Z = X @ P['W1'] + P['b1']
    A = np.maximum(Z, 0)
    O = A @ P['W2'] + P['b2']
    loss = np.mean((O - Y)**2)
    d = 2*(O - Y)/O.size
    G = {'W2': A.T @ d, 'b2': d.sum(0)}
    d = d @ P['W2'].T
    d[Z <= 0] = 0
    G['W1'] = X.T @ d
    G['b1'] = d.sum(0)
    for k in P:
        M[k] = 0.9*M[k] + 0.1*G[k]
        V[k] = 0.999*V[k] + 0.001*G[k]**2
        P[k] -= 0.01 * (M[k]/(1-0.9**step)) / (np.sqrt(V[k]/(1-0.999**step)) + 1e-8)
""",
    "gru with a cache": """\
import torch
torch.manual_seed(0)
torch.manual_seed(3)
T, D, H = 4, 3, 5
xs = torch.randn(T, D)
Wz, Wr, Wn = torch.randn(D, H)*.5, torch.randn(D, H)*.5, torch.randn(D, H)*.5
Uz, Ur, Un = torch.randn(H, H)*.5, torch.randn(H, H)*.5, torch.randn(H, H)*.5
h = torch.zeros(H)
cache = []
loss = 0.0
for t in range(T):
    z = torch.sigmoid(xs[t] @ Wz + h @ Uz)
    r = torch.sigmoid(xs[t] @ Wr + h @ Ur)
    n = torch.tanh(xs[t] @ Wn + (r * h) @ Un)
    hn = (1 - z) * n + z * h
    cache.append((h, z, r, n, hn))
    h = hn
    loss = loss + (h**2).sum()
dWz, dWr, dWn = torch.zeros_like(Wz), torch.zeros_like(Wr), torch.zeros_like(Wn)
dUz, dUr, dUn = torch.zeros_like(Uz), torch.zeros_like(Ur), torch.zeros_like(Un)
dhnext = torch.zeros(H)
for t in reversed(range(T)):
    hp, z, r, n, hn = cache[t]
    dh = 2*hn + dhnext
    dn = dh * (1 - z)
    dz = dh * (hp - n)
    dan = dn * (1 - n**2)
    drh = dan @ Un.T
    dr = drh * hp
    daz = dz * z * (1 - z)
    dar = dr * r * (1 - r)
    dWn += torch.outer(xs[t], dan)
    dWz += torch.outer(xs[t], daz)
    dWr += torch.outer(xs[t], dar)
    dUn += torch.outer(r * hp, dan)
    dUz += torch.outer(hp, daz)
    dUr += torch.outer(hp, dar)
    dhnext = dh * z + drh * r + daz @ Uz.T + dar @ Ur.T
""",
    "function of loss and gradient": """\
import numpy as np

def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    return out, (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db

def relu_forward(x):
    return np.maximum(0, x), x

def relu_backward(dout, cache):
    return dout * (cache > 0)

def svm_loss(scores, y):
    n = scores.shape[0]
    margins = np.maximum(0, scores - scores[np.arange(n), y][:, None] + 1)
    margins[np.arange(n), y] = 0
    loss = margins.sum() / n
    d = (margins > 0).astype(float)
    d[np.arange(n), y] -= d.sum(axis=1)
    return loss, d / n

rng = np.random.RandomState(7)
x = rng.randn(5, 2, 3)
y = rng.randint(0, 4, 5)
w1 = rng.randn(6, 7) * 0.5
b1 = rng.randn(7) * 0.1
w2 = rng.randn(7, 4) * 0.5
b2 = rng.randn(4) * 0.1
a, c1 = affine_forward(x, w1, b1)
r, c2 = relu_forward(a)
scores, c3 = affine_forward(r, w2, b2)
loss, dscores = svm_loss(scores, y)
dr, dw2, db2 = affine_backward(dscores, c3)
da = relu_backward(dr, c2)
dx, dw1, db1 = affine_backward(da, c1)
""",
    "states in a list": """\
import torch

torch.manual_seed(42)
T = 4
xs = [torch.randn(3) for _ in range(T)]
W = torch.randn(5, 3) * 0.5
R = torch.randn(5, 5) * 0.5
hs = [torch.zeros(5)]
for t in range(T):
    hs.append(torch.tanh(W @ xs[t] + R @ hs[t]))
loss = (hs[-1] ** 2).sum()

dhs = [torch.zeros(5) for _ in range(T + 1)]
dhs[T] = 2 * hs[T]
dW = torch.zeros_like(W)
dR = torch.zeros_like(R)
for t in range(T - 1, -1, -1):
    da = dhs[t + 1] * (1 - hs[t + 1] ** 2)
    dW += torch.outer(da, xs[t])
    dR += torch.outer(da, hs[t])
    dhs[t] = R.T @ da
""",
    "a scratch name like a gradient": """\
import torch
torch.manual_seed(0)
import torch.nn.functional as F
x = torch.randn(5, 4); w = torch.randn(4); b = F.layer_norm(x, (4,)); g = torch.randn(5, 4)
loss = (b*w).sum(); db = g.sum(1)
dw = b.sum(0)
""",
}
