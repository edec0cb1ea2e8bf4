import torch


class Sigmoid:
    def __call__(self, x):
        self.out = 1 / (1 + torch.exp(-x))
        return self.out

    def backward(self, grad):
        return grad * self.out * (1 - self.out)


class Dense:
    def __init__(self, i, o):
        self.weight = torch.randn(i, o)
        self.bias = torch.zeros(o)

    def __call__(self, x):
        self.inp = x
        return x @ self.weight + self.bias

    def backward(self, grad):
        self.grad_weight = self.inp.T @ grad
        self.grad_bias = grad.sum(dim=0)
        return grad @ self.weight.T


class MSE:
    def __call__(self, pred, target):
        self.diff = pred - target
        return (self.diff**2).mean()

    def backward(self):
        return 2 * self.diff / self.diff.numel()


torch.manual_seed(41)
x, t = torch.randn(7, 3), torch.rand(7, 2)
d1, s1, d2, mse = Dense(3, 5), Sigmoid(), Dense(5, 2), MSE()
loss = mse(d2(s1(d1(x))), t)
grad_x = d1.backward(s1.backward(d2.backward(mse.backward())))
