import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


rng = np.random.RandomState(13)
N, D, H = 4, 3, 5
x = rng.randn(N, D)
prev_h = rng.randn(N, H)
prev_c = rng.randn(N, H)
Wx = rng.randn(D, 4 * H) * 0.4
Wh = rng.randn(H, 4 * H) * 0.4
b = rng.randn(4 * H) * 0.1
a = x @ Wx + prev_h @ Wh + b
i = sigmoid(a[:, :H])
f = sigmoid(a[:, H : 2 * H])
o = sigmoid(a[:, 2 * H : 3 * H])
g = np.tanh(a[:, 3 * H :])
c = f * prev_c + i * g
tc = np.tanh(c)
h = o * tc
loss = np.sum(h**2) / 2

dh = h
do = dh * tc
dtc = dh * o
dc = dtc * (1 - tc**2)
df = dc * prev_c
dprev_c = dc * f
di = dc * g
dg = dc * i
da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])
dx = da @ Wx.T
dprev_h = da @ Wh.T
dWx = x.T @ da
dWh = prev_h.T @ da
db = da.sum(axis=0)
