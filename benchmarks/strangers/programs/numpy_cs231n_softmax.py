import numpy as np


def softmax_loss_vectorized(W, X, y, reg):
    n = X.shape[0]
    scores = X.dot(W)
    scores -= scores.max(axis=1, keepdims=True)
    exp = np.exp(scores)
    p = exp / exp.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(n), y]).mean() + reg * np.sum(W * W)
    dscores = p.copy()
    dscores[np.arange(n), y] -= 1
    dW = X.T.dot(dscores) / n
    dW += 2 * reg * W
    return loss, dW


np.random.seed(9)
X = np.random.randn(7, 5)
y = np.random.randint(0, 3, 7)
W = np.random.randn(5, 3) * 0.3
loss, dW = softmax_loss_vectorized(W, X, y, 0.1)
