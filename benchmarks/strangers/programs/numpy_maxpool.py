import numpy as np

rng = np.random.RandomState(16)
x = rng.randn(2, 6, 6)
size, stride = 3, 1
side = (6 - size) // stride + 1
out = np.zeros((2, side, side))
for c in range(2):
    for i in range(side):
        for j in range(side):
            out[c, i, j] = x[c, i : i + size, j : j + size].max()
loss = np.sum(out**2)

dout = 2 * out
dx = np.zeros_like(x)
for c in range(2):
    for i in range(side):
        for j in range(side):
            win = x[c, i : i + size, j : j + size]
            mask = win == win.max()
            dx[c, i : i + size, j : j + size] += mask * dout[c, i, j]
