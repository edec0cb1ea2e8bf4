import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    std = np.sqrt(var + eps)
    xhat = (x - mu) / std
    return gamma * xhat + beta, (xhat, gamma, std)


def batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    m = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dx = (m * dxhat - dxhat.sum(axis=0) - xhat * (dxhat * xhat).sum(axis=0)) / (m * std)
    return dx, dgamma, dbeta


rng = np.random.RandomState(8)
x = rng.randn(9, 4) * 2 + 1
gamma = rng.rand(4) + 0.5
beta = rng.randn(4)
dout = rng.randn(9, 4)
out, cache = batchnorm_forward(x, gamma, beta)
loss = np.sum(out * dout)
dx, dgamma, dbeta = batchnorm_backward(dout, cache)
