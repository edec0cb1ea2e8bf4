import numpy as np


def loss_and_grads(w, b, xs, ts):
    total, dw, db = 0.0, 0.0, 0.0
    for x, t in zip(xs, ts):
        a = np.tanh(w * x + b)
        total += (a - t) ** 2
        da = 2 * (a - t)
        dz = da * (1 - a**2)
        dw += dz * x
        db += dz
    return total, dw, db


xs = np.array([0.5, -1.0, 2.0])
ts = np.array([0.2, 0.1, -0.4])
w = 0.7
b = -0.2
loss, dw, db = loss_and_grads(w, b, xs, ts)
