import numpy as np

rng = np.random.RandomState(30)
N, T, D, H = 3, 4, 2, 5
x = rng.randn(N, T, D)
h0 = rng.randn(N, H)
Wx = rng.randn(D, H) * 0.5
Wh = rng.randn(H, H) * 0.5
b = rng.randn(H) * 0.1
h = np.zeros((N, T, H))
prev = h0
for t in range(T):
    prev = np.tanh(x[:, t] @ Wx + prev @ Wh + b)
    h[:, t] = prev
loss = np.sum(h**2)

dout = 2 * h
dx = np.zeros_like(x)
dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
dprev = np.zeros((N, H))
for t in reversed(range(T)):
    dcur = dout[:, t] + dprev
    draw = dcur * (1 - h[:, t] ** 2)
    before = h[:, t - 1] if t > 0 else h0
    dx[:, t] = draw @ Wx.T
    dWx += x[:, t].T @ draw
    dWh += before.T @ draw
    db += draw.sum(axis=0)
    dprev = draw @ Wh.T
dh0 = dprev
