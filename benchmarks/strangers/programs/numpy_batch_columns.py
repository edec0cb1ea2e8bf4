import numpy as np

rng = np.random.RandomState(25)
m = 6
X = rng.randn(3, m)
Y = np.eye(2)[:, rng.randint(0, 2, m)]
W1 = rng.randn(4, 3) * 0.5
b1 = np.zeros((4, 1))
W2 = rng.randn(2, 4) * 0.5
b2 = np.zeros((2, 1))
Z1 = W1 @ X + b1
A1 = np.where(Z1 > 0, Z1, 0.1 * Z1)
Z2 = W2 @ A1 + b2
expZ = np.exp(Z2)
A2 = expZ / expZ.sum(axis=0)
cost = -np.sum(Y * np.log(A2)) / m

dZ2 = (A2 - Y) / m
dW2 = dZ2 @ A1.T
db2 = dZ2.sum(axis=1, keepdims=True)
dA1 = W2.T @ dZ2
dZ1 = np.where(Z1 > 0, dA1, 0.1 * dA1)
dW1 = dZ1 @ X.T
db1 = dZ1.sum(axis=1, keepdims=True)
