import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_prime(s):
    return s * (1 - s)


np.random.seed(4)
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
Y = np.array([[0], [1], [1], [0]], dtype=float)
W1 = np.random.uniform(-1, 1, (2, 3))
W2 = np.random.uniform(-1, 1, (3, 1))
lr = 0.5
for step in range(200):
    hidden = sigmoid(X @ W1)
    output = sigmoid(hidden @ W2)
    loss = 0.5 * np.sum((output - Y) ** 2)
    d_output = (output - Y) * sigmoid_prime(output)
    d_hidden = d_output @ W2.T * sigmoid_prime(hidden)
    grad_W2 = hidden.T @ d_output
    grad_W1 = X.T @ d_hidden
    W2 -= lr * grad_W2
    W1 -= lr * grad_W1
