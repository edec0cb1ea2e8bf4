import numpy as np

rng = np.random.RandomState(28)
x = rng.randn(5, 4)
W = rng.randn(4, 8) * 0.5
b = rng.randn(8) * 0.1
P = rng.randn(8, 4) * 0.5
k = np.sqrt(2 / np.pi)
u = x @ W + b
inner = k * (u + 0.044715 * u**3)
th = np.tanh(inner)
g = 0.5 * u * (1 + th)
y = x + g @ P
loss = np.sum(y**2) / 5

dy = 2 * y / 5
dP = g.T @ dy
dg = dy @ P.T
dth = 0.5 * u * dg
dinner = (1 - th**2) * dth
du = 0.5 * (1 + th) * dg + k * (1 + 3 * 0.044715 * u**2) * dinner
dW = x.T @ du
db = du.sum(0)
dx = dy + du @ W.T
