import numpy as np

np.random.seed(5)
T, N, D, H = 4, 3, 4, 5
xs = np.random.randn(T, N, D)
ys = np.random.randn(T, N, H)
W = np.random.randn(D + H, 4 * H) / np.sqrt(D + H)
b = np.zeros(4 * H) + 0.1


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


h, c = {-1: np.zeros((N, H))}, {-1: np.zeros((N, H))}
z, i, f, o, g, ct = {}, {}, {}, {}, {}, {}
loss = 0.0
for t in range(T):
    z[t] = np.hstack([xs[t], h[t - 1]])
    a = z[t] @ W + b
    i[t] = sigmoid(a[:, :H])
    f[t] = sigmoid(a[:, H : 2 * H])
    o[t] = sigmoid(a[:, 2 * H : 3 * H])
    g[t] = np.tanh(a[:, 3 * H :])
    c[t] = f[t] * c[t - 1] + i[t] * g[t]
    ct[t] = np.tanh(c[t])
    h[t] = o[t] * ct[t]
    loss += np.sum((h[t] - ys[t]) ** 2) / 2

dW = np.zeros_like(W)
db = np.zeros_like(b)
dhnext = np.zeros((N, H))
dcnext = np.zeros((N, H))
for t in reversed(range(T)):
    dh = h[t] - ys[t] + dhnext
    do = dh * ct[t] * o[t] * (1 - o[t])
    dc = dcnext + dh * o[t] * (1 - ct[t] ** 2)
    df = dc * c[t - 1] * f[t] * (1 - f[t])
    di = dc * g[t] * i[t] * (1 - i[t])
    dg = dc * i[t] * (1 - g[t] ** 2)
    da = np.hstack([di, df, do, dg])
    dW += z[t].T @ da
    db += da.sum(0)
    dz = da @ W.T
    dhnext = dz[:, D:]
    dcnext = dc * f[t]
