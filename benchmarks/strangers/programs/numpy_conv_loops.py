import numpy as np


def conv_forward(x, w, stride):
    n, c, h, wd = x.shape
    f, _, hh, ww = w.shape
    ho, wo = (h - hh) // stride + 1, (wd - ww) // stride + 1
    out = np.zeros((n, f, ho, wo))
    for a in range(n):
        for k in range(f):
            for i in range(ho):
                for j in range(wo):
                    win = x[a, :, i * stride : i * stride + hh, j * stride : j * stride + ww]
                    out[a, k, i, j] = np.sum(win * w[k])
    return out


def conv_backward(dout, x, w, stride):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    hh, ww = w.shape[2:]
    for a in range(dout.shape[0]):
        for k in range(dout.shape[1]):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    p, q = i * stride, j * stride
                    dw[k] += dout[a, k, i, j] * x[a, :, p : p + hh, q : q + ww]
                    dx[a, :, p : p + hh, q : q + ww] += dout[a, k, i, j] * w[k]
    return dx, dw


rng = np.random.RandomState(15)
x = rng.randn(2, 2, 5, 5)
w = rng.randn(2, 2, 3, 3)
out = conv_forward(x, w, 2)
loss = np.sum(out**2)
dout = 2 * out
dx, dw = conv_backward(dout, x, w, 2)
