import numpy as np

np.random.seed(66)
X = np.random.randn(6, 4)
y = np.random.randint(0, 3, 6)
W = np.random.randn(4, 3) * 0.5
dW = np.zeros(W.shape)
loss = 0.0
for i in range(6):
    scores = X[i].dot(W)
    for j in range(3):
        if j == y[i]:
            continue
        margin = scores[j] - scores[y[i]] + 1
        if margin > 0:
            loss += margin
            dW[:, j] += X[i]
            dW[:, y[i]] -= X[i]
loss /= 6
dW /= 6
loss += 0.01 * np.sum(W * W)
dW += 2 * 0.01 * W
