import numpy as np


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    return out, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    return dout * (cache > 0)


def svm_loss(scores, y):
    n = scores.shape[0]
    margins = np.maximum(0, scores - scores[np.arange(n), y][:, None] + 1)
    margins[np.arange(n), y] = 0
    loss = margins.sum() / n
    d = (margins > 0).astype(float)
    d[np.arange(n), y] -= d.sum(axis=1)
    return loss, d / n


rng = np.random.RandomState(7)
x = rng.randn(5, 2, 3)
y = rng.randint(0, 4, 5)
w1 = rng.randn(6, 7) * 0.5
b1 = rng.randn(7) * 0.1
w2 = rng.randn(7, 4) * 0.5
b2 = rng.randn(4) * 0.1
a, c1 = affine_forward(x, w1, b1)
r, c2 = relu_forward(a)
scores, c3 = affine_forward(r, w2, b2)
loss, dscores = svm_loss(scores, y)
dr, dw2, db2 = affine_backward(dscores, c3)
da = relu_backward(dr, c2)
dx, dw1, db1 = affine_backward(da, c1)
