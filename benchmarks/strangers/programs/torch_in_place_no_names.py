import torch

torch.manual_seed(25)
x = torch.randn(20, 3)
y = x @ torch.tensor([1.0, -2.0, 0.5])
w = torch.zeros(3)
c = torch.zeros(1)
eta = 0.1
for step in range(4):
    err = x @ w + c - y
    loss = (err**2).mean()
    w -= eta * 2 * (x.T @ err) / 20
    c -= eta * 2 * err.mean()
