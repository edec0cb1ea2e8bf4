import torch
import torch.nn.functional as F

torch.manual_seed(51)
X = torch.randn(30, 5)
Y = torch.randint(0, 2, (30,)).float()
w = torch.randn(5) * 0.1
b = torch.zeros(1)


def step(lo, hi, lr):
    x, y = X[lo:hi], Y[lo:hi]
    z = x @ w + b
    loss = F.binary_cross_entropy_with_logits(z, y)
    dz = (torch.sigmoid(z) - y) / (hi - lo)
    dw = x.T @ dz
    db = dz.sum().view(1)
    w.data -= lr * dw
    b.data -= lr * db
    return loss, dw, db


for rate in (0.1, 0.05):
    for lo in range(0, 30, 10):
        loss, dw, db = step(lo, lo + 10, rate)
