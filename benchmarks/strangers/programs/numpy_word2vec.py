import numpy as np

np.random.seed(18)
vocab, dim = 7, 4
center, context = 2, 5
W_in = np.random.randn(vocab, dim) * 0.4
W_out = np.random.randn(dim, vocab) * 0.4
h = W_in[center]
u = h @ W_out
e = np.exp(u - u.max())
y = e / e.sum()
loss = -np.log(y[context])

du = y.copy()
du[context] -= 1
dW_out = np.outer(h, du)
dh = W_out @ du
dW_in = np.zeros_like(W_in)
dW_in[center] += dh
