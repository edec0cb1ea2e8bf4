import torch


class Linear:
    def __init__(self, n_in, n_out):
        self.W = torch.randn(n_in, n_out) * 0.5
        self.b = torch.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(0)
        return dout @ self.W.T


class Tanh:
    def forward(self, x):
        self.y = torch.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


torch.manual_seed(19)
x = torch.randn(6, 4)
t = torch.randn(6, 2)
layers = [Linear(4, 5), Tanh(), Linear(5, 2)]
out = x
for layer in layers:
    out = layer.forward(out)
loss = ((out - t) ** 2).sum()
dout = 2 * (out - t)
for layer in reversed(layers):
    dout = layer.backward(dout)
