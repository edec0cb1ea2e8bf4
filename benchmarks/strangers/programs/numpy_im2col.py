import numpy as np


def im2col(x, k):
    n, h, w = x.shape
    ho, wo = h - k + 1, w - k + 1
    col = np.zeros((n, ho, wo, k, k))
    for i in range(k):
        for j in range(k):
            col[:, :, :, i, j] = x[:, i : i + ho, j : j + wo]
    return col.reshape(n * ho * wo, k * k)


def col2im(dcol, shape, k):
    n, h, w = shape
    ho, wo = h - k + 1, w - k + 1
    dcol = dcol.reshape(n, ho, wo, k, k)
    dx = np.zeros(shape)
    for i in range(k):
        for j in range(k):
            dx[:, i : i + ho, j : j + wo] += dcol[:, :, :, i, j]
    return dx


rng = np.random.RandomState(17)
x = rng.randn(2, 5, 5)
W = rng.randn(9, 4)
col = im2col(x, 3)
out = col @ W
act = np.tanh(out)
loss = np.mean(act**2)
dact = 2 * act / act.size
dout = dact * (1 - act**2)
dW = col.T @ dout
dcol = dout @ W.T
dx = col2im(dcol, x.shape, 3)
