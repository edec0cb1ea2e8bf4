import numpy as np


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


class SoftmaxWithLoss:
    def forward(self, x, t):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.y = e / np.sum(e, axis=1, keepdims=True)
        self.t = t
        return -np.sum(t * np.log(self.y)) / len(x)

    def backward(self, dout=1):
        return (self.y - self.t) * dout / len(self.t)


rng = np.random.RandomState(6)
x = rng.randn(6, 4)
t = np.eye(3)[rng.randint(0, 3, 6)]
first = Affine(rng.randn(4, 5) * 0.5, np.zeros(5))
relu = Relu()
second = Affine(rng.randn(5, 3) * 0.5, np.zeros(3))
last = SoftmaxWithLoss()
score = second.forward(relu.forward(first.forward(x)))
loss = last.forward(score, t)
dx = first.backward(relu.backward(second.backward(last.backward())))
