import numpy as np


def train_step(X, We, Wd, lr):
    code = np.tanh(X @ We)
    recon = code @ Wd
    diff = recon - X
    loss = np.mean(diff**2)
    drecon = 2 * diff / diff.size
    dWd = code.T @ drecon
    dcode = drecon @ Wd.T
    dpre = dcode * (1 - code**2)
    dWe = X.T @ dpre
    return loss, We - lr * dWe, Wd - lr * dWd


np.random.seed(29)
X = np.random.randn(10, 6)
We = np.random.randn(6, 2) * 0.4
Wd = np.random.randn(2, 6) * 0.4
for epoch in range(3):
    loss, We, Wd = train_step(X, We, Wd, 0.1)
