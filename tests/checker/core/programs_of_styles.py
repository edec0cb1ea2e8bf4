"""Correct programs as strangers write them: optimizers, dictionaries, closures, caches."""

PROGRAMS = {
    "momentum list": """\
import torch
torch.manual_seed(1)
x = torch.randn(16, 4); t = torch.randn(16, 2)
ws = [torch.randn(4, 6)*.5, torch.randn(6, 2)*.5]
vel = [torch.zeros_like(w) for w in ws]
for it in range(5):
    a1 = torch.tanh(x @ ws[0])
    o = a1 @ ws[1]
    loss = ((o - t)**2).mean()
    go = 2*(o - t)/o.numel()
    gw1 = a1.T @ go
    ga = go @ ws[1].T
    gz = ga*(1 - a1*a1)
    gw0 = x.T @ gz
    for w, g, v in zip(ws, (gw0, gw1), vel):
        v.mul_(.9).add_(g)
        w.sub_(.05*v)
""",
    "adam dict np": """\
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(12, 3)); Y = rng.normal(size=(12, 1))
P = {'W1': rng.normal(size=(3, 5)), 'b1': np.zeros(5)}
P |= {'W2': rng.normal(size=(5, 1)), 'b2': np.zeros(1)}
M = {k: np.zeros_like(v) for k, v in P.items()}; S = {k: np.zeros_like(v) for k, v in P.items()}
for step in range(1, 6):
    Z = X @ P['W1'] + P['b1']; H = np.maximum(Z, 0); out = H @ P['W2'] + P['b2']
    loss = 0.5*np.mean((out - Y)**2)
    G = {}
    d = (out - Y)/len(X)
    G['W2'] = H.T @ d; G['b2'] = d.sum(0)
    d = d @ P['W2'].T
    d[Z <= 0] = 0
    G['W1'] = X.T @ d; G['b1'] = d.sum(0)
    for k in P:
        M[k] = .9*M[k] + .1*G[k]
        S[k] = .999*S[k] + .001*G[k]**2
        P[k] = P[k] - .01*(M[k]/(1-.9**step))/(np.sqrt(S[k]/(1-.999**step)) + 1e-8)
""",
    "logistic class fit": """\
import numpy as np
class LogReg:
    def __init__(self, lr=.1, n=20): self.lr, self.n = lr, n
    def fit(self, X, y):
        m, f = X.shape
        self.weights = np.zeros(f); self.bias = 0
        for _ in range(self.n):
            lin = np.dot(X, self.weights) + self.bias
            pred = 1/(1 + np.exp(-lin))
            dw = (1/m)*np.dot(X.T, (pred - y))
            db = (1/m)*np.sum(pred - y)
            self.weights -= self.lr*dw
            self.bias -= self.lr*db
np.random.seed(0)
X = np.random.randn(30, 4); y = (np.random.rand(30) > .5).astype(float)
LogReg().fit(X, y)
""",
    "three layer deepL": """\
import numpy as np
np.random.seed(2)
def relu(Z): return np.maximum(0, Z), Z
def sig(Z): return 1/(1+np.exp(-Z)), Z
def lin_f(A, W, b): return W @ A + b, (A, W, b)
def act_f(A, W, b, kind):
    Z, lc = lin_f(A, W, b)
    A2, ac = relu(Z) if kind == 'relu' else sig(Z)
    return A2, (lc, ac)
def lin_b(dZ, cache):
    A, W, b = cache; m = A.shape[1]
    return W.T @ dZ, dZ @ A.T/m, np.sum(dZ, axis=1, keepdims=True)/m
def act_b(dA, cache, kind):
    lc, ac = cache
    if kind == 'relu':
        dZ = np.array(dA, copy=True); dZ[ac <= 0] = 0
    else:
        s = 1/(1+np.exp(-ac)); dZ = dA*s*(1-s)
    return lin_b(dZ, lc)
X = np.random.randn(4, 9); Y = (np.random.rand(1, 9) > .5).astype(float)
W1, b1 = np.random.randn(5, 4)*.5, np.zeros((5, 1))
W2, b2 = np.random.randn(1, 5)*.5, np.zeros((1, 1))
for i in range(3):
    A1, c1 = act_f(X, W1, b1, 'relu')
    A2, c2 = act_f(A1, W2, b2, 'sigmoid')
    m = Y.shape[1]
    cost = -np.mean(Y*np.log(A2) + (1-Y)*np.log(1-A2))
    dA2 = -(Y/A2 - (1-Y)/(1-A2))
    dA1, dW2, db2 = act_b(dA2, c2, 'sigmoid')
    dA0, dW1, db1 = act_b(dA1, c1, 'relu')
    W1 -= .1*dW1; b1 -= .1*db1; W2 -= .1*dW2; b2 -= .1*db2
""",
    "conv1d loops torch": """\
import torch
torch.manual_seed(0)
x = torch.randn(2, 3, 8); k = torch.randn(4, 3, 3)
out = torch.zeros(2, 4, 6)
for i in range(6):
    out[:, :, i] = torch.einsum('bcw,ocw->bo', x[:, :, i:i+3], k)
act = torch.relu(out)
loss = (act**2).sum()/2
dact = act
dout = dact*(out > 0)
dx = torch.zeros_like(x); dk = torch.zeros_like(k)
for i in range(6):
    dk += torch.einsum('bo,bcw->ocw', dout[:, :, i], x[:, :, i:i+3])
    dx[:, :, i:i+3] += torch.einsum('bo,ocw->bcw', dout[:, :, i], k)
""",
    "attention np": """\
import numpy as np
rng = np.random.RandomState(3)
q, kk, v = rng.randn(5, 4), rng.randn(5, 4), rng.randn(5, 4)
sc = q @ kk.T/np.sqrt(4)
e = np.exp(sc - sc.max(1, keepdims=True)); att = e/e.sum(1, keepdims=True)
o = att @ v
target = rng.randn(5, 4)
loss = ((o - target)**2).mean()
d_o = 2*(o - target)/o.size
d_v = att.T @ d_o
d_att = d_o @ v.T
d_sc = att*(d_att - (d_att*att).sum(1, keepdims=True))
d_q = d_sc @ kk/2
d_kk = d_sc.T @ q/2
""",
    "embedding bag": """\
import torch, torch.nn.functional as F
torch.manual_seed(0)
C = torch.randn(27, 6, requires_grad=True); W = torch.randn(18, 27, requires_grad=True)
ix = torch.randint(0, 27, (10, 3)); yy = torch.randint(0, 27, (10,))
emb = C[ix]; flat = emb.view(10, -1); lg = flat @ W
loss = F.cross_entropy(lg, yy); loss.backward()
dlg = F.softmax(lg, 1); dlg[torch.arange(10), yy] -= 1; dlg /= 10
dW = flat.T @ dlg
dflat = dlg @ W.T
demb = dflat.view(emb.shape)
dC = torch.zeros_like(C)
dC.index_put_((ix,), demb, accumulate=True)
""",
    "stack of layers closures": """\
import torch
torch.manual_seed(0)
def linear(x, w):
    y = x @ w
    def back(dy):
        return dy @ w.T, x.T @ dy
    return y, back
def gelu_like(x):
    s = torch.sigmoid(1.7*x); y = x*s
    def back(dy):
        return dy*(s + 1.7*x*s*(1-s))
    return y, back
x = torch.randn(6, 3); w1 = torch.randn(3, 5); w2 = torch.randn(5, 2); t = torch.randn(6, 2)
h, bh = linear(x, w1); g, bg = gelu_like(h); o, bo = linear(g, w2)
loss = ((o-t)**2).sum()
do = 2*(o-t)
dg, dw2 = bo(do)
dh = bg(dg)
dx, dw1 = bh(dh)
""",
    "layernorm module": """\
import torch
torch.manual_seed(0)
class LN:
    def __init__(s, d): s.g, s.b = torch.rand(d)+.5, torch.randn(d)
    def __call__(s, x):
        mu = x.mean(-1, keepdim=True); var = ((x-mu)**2).mean(-1, keepdim=True)
        s.inv = (var+1e-5)**-.5; s.xh = (x-mu)*s.inv
        return s.xh*s.g + s.b
    def backward(s, dy):
        s.dg = (dy*s.xh).sum(0); s.db = dy.sum(0)
        dxh = dy*s.g
        return s.inv*(dxh - dxh.mean(-1, keepdim=True) - s.xh*(dxh*s.xh).mean(-1, keepdim=True))
ln = LN(5); x = torch.randn(4, 5); w = torch.randn(5)
y = ln(x); loss = (torch.sin(y) @ w).sum()
dy = torch.cos(y)*w
dx = ln.backward(dy)
""",
    "gru cell loop lists": """\
import torch
torch.manual_seed(0)
T, B, D, H = 3, 2, 3, 4
X = torch.randn(T, B, D); Wz, Wn = torch.randn(D+H, H)*.4, torch.randn(D+H, H)*.4
h = torch.zeros(B, H); tape = []
for t in range(T):
    c = torch.cat([X[t], h], 1)
    z = torch.sigmoid(c @ Wz); n = torch.tanh(c @ Wn)
    hn = (1-z)*n + z*h
    tape.append((c, z, n, h)); h = hn
loss = (h**2).sum()
dh = 2*h
dWz, dWn = torch.zeros_like(Wz), torch.zeros_like(Wn)
for c, z, n, hp in reversed(tape):
    dz = dh*(hp - n)*z*(1-z)
    dn = dh*(1-z)*(1-n*n)
    dWz += c.T @ dz; dWn += c.T @ dn
    dc = dz @ Wz.T + dn @ Wn.T
    dh = dh*z + dc[:, D:]
""",
}
