import numpy as np

np.random.seed(63)
U = np.random.randn(4, 3) * 0.5
W = np.random.randn(4, 4) * 0.5
V = np.random.randn(2, 4) * 0.5
seq = np.random.randn(5, 3)
goal = np.random.randn(5, 2)
T = len(seq)
s = np.zeros((T + 1, 4))
o = np.zeros((T, 2))
for t in range(T):
    s[t + 1] = np.tanh(U @ seq[t] + W @ s[t])
    o[t] = V @ s[t + 1]
loss = 0.5 * np.sum((o - goal) ** 2)

dU, dW, dV = np.zeros(U.shape), np.zeros(W.shape), np.zeros(V.shape)
delta_o = o - goal
ds = np.zeros(4)
for t in range(T)[::-1]:
    dV += np.outer(delta_o[t], s[t + 1])
    ds = ds + V.T @ delta_o[t]
    dz = ds * (1 - s[t + 1] ** 2)
    dU += np.outer(dz, seq[t])
    dW += np.outer(dz, s[t])
    ds = W.T @ dz
