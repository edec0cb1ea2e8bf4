import numpy as np

rng = np.random.RandomState(67)
x = rng.randn(3, 4, 2)
A = rng.randn(2, 5) * 0.7
B = rng.randn(5, 1) * 0.7
u = x @ A
h = np.maximum(u, 0.01 * u)
pooled = h.max(axis=1)
out = pooled @ B
loss = np.mean(out**2)
dout = 2 * out / out.size
dB = pooled.T @ dout
dpooled = dout @ B.T
dh = np.zeros_like(h)
arg = h.argmax(axis=1)
for n in range(3):
    for k in range(5):
        dh[n, arg[n, k], k] = dpooled[n, k]
du = dh * np.where(u > 0, 1, 0.01)
dA = np.einsum("ntd,nth->dh", x, du)
