import numpy as np

np.random.seed(24)
X = np.random.randn(12, 3)
T = np.random.randn(12, 2)
V = np.random.randn(3, 5) * 0.5
U = np.random.randn(5, 2) * 0.5
lr = 0.05
for it in range(4):
    H = np.tanh(X @ V)
    P = H @ U
    loss = np.sum((P - T) ** 2) / 12
    dP = 2 * (P - T) / 12
    dU = H.T @ dP
    dH = dP @ U.T
    U -= lr * dU
    dV = X.T @ (dH * (1 - H**2))
    V -= lr * dV
