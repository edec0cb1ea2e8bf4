import numpy as np

np.random.seed(27)
x = np.random.randn(6, 5)
W = np.random.randn(5, 4) * 0.6
V = np.random.randn(4, 3) * 0.6
keep = 0.7
h = x @ W
mask = (np.random.rand(*h.shape) < keep) / keep
d = h * mask
z = d @ V
loss = np.mean(z**2)

dz = 2 * z / z.size
dd = dz @ V.T
dV = d.T @ dz
dh = dd * mask
dW = x.T @ dh
dx = dh @ W.T
