import numpy as np


class Net:
    def __init__(self, rng):
        self.W1 = rng.randn(4, 6) * 0.4
        self.b1 = np.zeros(6)
        self.W2 = rng.randn(6, 2) * 0.4
        self.b2 = np.zeros(2)

    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = np.tanh(self.z1)
        return self.a1 @ self.W2 + self.b2

    def loss(self, X, y):
        return np.mean((self.forward(X) - y) ** 2)

    def backward(self, X, y):
        out = self.forward(X)
        dout = 2 * (out - y) / out.size
        self.dW2 = self.a1.T @ dout
        self.db2 = dout.sum(axis=0)
        dz1 = dout @ self.W2.T * (1 - self.a1**2)
        self.dW1 = X.T @ dz1
        self.db1 = dz1.sum(axis=0)


rng = np.random.RandomState(23)
net = Net(rng)
X, y = rng.randn(8, 4), rng.randn(8, 2)
for _ in range(2):
    loss = net.loss(X, y)
    net.backward(X, y)
