import numpy as np


class MatMul:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]

    def forward(self, x):
        (W,) = self.params
        self.x = x
        return np.dot(x, W)

    def backward(self, dout):
        (W,) = self.params
        dx = np.dot(dout, W.T)
        dW = np.dot(self.x.T, dout)
        self.grads[0][...] = dW
        return dx


class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


rng = np.random.RandomState(62)
x = rng.randn(5, 3)
one, act, two = MatMul(rng.randn(3, 4)), Sigmoid(), MatMul(rng.randn(4, 2))
y = two.forward(act.forward(one.forward(x)))
loss = np.sum(y * y)
dy = 2 * y
dx = one.backward(act.backward(two.backward(dy)))
