import numpy as np


def forward(params, x):
    w, v = params
    z = x @ w
    a = np.log1p(np.exp(z))
    return z, a, a @ v


def gradients(params, x, y):
    w, v = params
    z, a, p = forward(params, x)
    loss = ((p - y) ** 2).mean()
    dp = 2 * (p - y) / p.size
    dv = a.T @ dp
    da = dp @ v.T
    dz = da / (1 + np.exp(-z))
    dw = x.T @ dz
    return loss, (dw, dv)


rng = np.random.RandomState(68)
x, y = rng.randn(7, 3), rng.randn(7, 2)
params = [rng.randn(3, 4), rng.randn(4, 2)]
loss, grads = gradients(params, x, y)
