import numpy as np

np.random.seed(2)
X = np.random.randn(30, 3)
y = X @ np.array([1.0, -2.0, 0.5]) + 0.3
w = np.zeros(3)
b = 0.0
lr = 0.1
for epoch in range(5):
    y_hat = X @ w + b
    error = y_hat - y
    loss = np.mean(error**2)
    dw = 2 * X.T @ error / len(X)
    db = 2 * np.mean(error)
    w -= lr * dw
    b -= lr * db
