import numpy as np


def rmsnorm_forward(x, g, eps=1e-6):
    r = 1.0 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    return g * x * r, (x, g, r)


def rmsnorm_backward(dout, cache):
    x, g, r = cache
    dg = (dout * x * r).sum(axis=(0, 1))
    dn = dout * g
    s = (dn * x).sum(axis=-1, keepdims=True)
    dx = r * dn - x * r**3 * s / x.shape[-1]
    return dx, dg


rng = np.random.default_rng(3)
x = rng.normal(size=(2, 3, 5))
g = rng.normal(size=5)
w = rng.normal(size=(5, 4))
y = rng.normal(size=(2, 3, 4))

n, cache = rmsnorm_forward(x, g)
pred = n @ w
loss = ((pred - y) ** 2).sum() / len(x)

dpred = 2 * (pred - y) / len(x)
dw = n.reshape(-1, 5).T @ dpred.reshape(-1, 4)
dn = dpred @ w.T
dx, dg = rmsnorm_backward(dn, cache)
