import numpy as np

rng = np.random.RandomState(1)
N, D, H, K = 8, 5, 6, 3
x = rng.randn(N, D)
y = rng.randn(N, K)
w1 = rng.randn(D, H)
w2 = rng.randn(H, K)
h = x.dot(w1)
h_relu = np.maximum(h, 0)
y_pred = h_relu.dot(w2)
loss = np.square(y_pred - y).sum()

grad_y_pred = 2.0 * (y_pred - y)
grad_w2 = h_relu.T.dot(grad_y_pred)
grad_h_relu = grad_y_pred.dot(w2.T)
grad_h = grad_h_relu.copy()
grad_h[h < 0] = 0
grad_w1 = x.T.dot(grad_h)
