"""Correct programs whose parameters are numbers, or that run their model again."""

PROGRAMS = {
    "a neuron of numbers": """\
import numpy as np

def loss_and_grads(w, b, xs, ts):
    total, dw, db = 0.0, 0.0, 0.0
    for x, t in zip(xs, ts):
        a = np.tanh(w * x + b)
        total += (a - t) ** 2
        da = 2 * (a - t)
        dz = da * (1 - a**2)
        dw += dz * x
        db += dz
    return total, dw, db

xs = np.array([0.5, -1.0, 2.0])
ts = np.array([0.2, 0.1, -0.4])
w = 0.7
b = -0.2
loss, dw, db = loss_and_grads(w, b, xs, ts)
""",
    "a model that runs again for its gradients": """\
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
""",
    "a line fitted with numbers": """\
import numpy as np
X = np.linspace(0, 1, 40); y = 2*X + 1
m = 0
c = 0
L = 0.1
n = float(len(X))
for i in range(100):
    Y_pred = m*X + c
    cost = sum((y - Y_pred)**2)/n
    D_m = (-2/n) * sum(X * (y - Y_pred))
    D_c = (-2/n) * sum(y - Y_pred)
    m = m - L * D_m
    c = c - L * D_c
""",
}
