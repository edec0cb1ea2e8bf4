import numpy as np

np.random.seed(20)
T, d = 5, 3
Q = np.random.randn(T, d)
K = np.random.randn(T, d)
V = np.random.randn(T, d)
S = Q @ K.T / np.sqrt(d)
E = np.exp(S - S.max(axis=1, keepdims=True))
A = E / E.sum(axis=1, keepdims=True)
O = A @ V
L = np.sum(O**3)

dO = 3 * O**2
dV = A.T @ dO
dA = dO @ V.T
dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))
dQ = dS @ K / np.sqrt(d)
dK = dS.T @ Q / np.sqrt(d)
