import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


rng = np.random.RandomState(3)
X = rng.randn(20, 4)
t = (rng.rand(20) > 0.5).astype(float)
w = rng.randn(4) * 0.1
b = 0.0
alpha = 0.3
for i in range(4):
    a = sigmoid(X @ w + b)
    cost = -np.mean(t * np.log(a) + (1 - t) * np.log(1 - a))
    dz = (a - t) / 20
    dw = X.T @ dz
    db = dz.sum()
    w = w - alpha * dw
    b = b - alpha * db
