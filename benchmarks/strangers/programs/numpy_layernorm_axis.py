import numpy as np

rng = np.random.RandomState(64)
x = rng.randn(4, 6)
g = rng.rand(6) + 0.5
b = rng.randn(6)
up = rng.randn(4, 6)
mu = x.mean(axis=-1, keepdims=True)
xmu = x - mu
var = np.mean(xmu**2, axis=-1, keepdims=True)
std = np.sqrt(var + 1e-5)
xhat = xmu / std
out = g * xhat + b
loss = np.sum(out * up)

dout = up
dg = np.sum(dout * xhat, axis=0)
db = np.sum(dout, axis=0)
dxhat = dout * g
dstd = np.sum(-dxhat * xmu / std**2, axis=-1, keepdims=True)
dvar = 0.5 * dstd / std
dxmu = dxhat / std + 2 * xmu * dvar / 6
dmu = -np.sum(dxmu, axis=-1, keepdims=True)
dx = dxmu + dmu / 6
