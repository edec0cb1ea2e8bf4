import numpy as np


class Layer:
    def __init__(self, rng, a, b, act):
        self.w = rng.randn(a, b) * 0.6
        self.act = act

    def forward(self, x):
        self.x = x
        self.z = x @ self.w
        self.a = np.tanh(self.z) if self.act else self.z
        return self.a

    def backward(self, delta):
        if self.act:
            delta = delta * (1 - self.a**2)
        self.gw = self.x.T @ delta
        return delta @ self.w.T


rng = np.random.RandomState(61)
x = rng.randn(6, 3)
t = rng.randn(6, 2)
net = [Layer(rng, 3, 5, True), Layer(rng, 5, 4, True), Layer(rng, 4, 2, False)]
for step in range(2):
    out = x
    for layer in net:
        out = layer.forward(out)
    loss = np.sum((out - t) ** 2) / 6
    delta = 2 * (out - t) / 6
    for layer in net[::-1]:
        delta = layer.backward(delta)
