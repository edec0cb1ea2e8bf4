import torch

torch.manual_seed(18)
w = torch.randn(5, 1)
b = torch.zeros(1)
x = torch.randn(12, 5)
y = (x.sum(1, keepdim=True) > 0).float()
lr = 0.5
for _ in range(3):
    p = torch.sigmoid(x @ w + b)
    loss = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    w.grad = x.T @ (p - y) / len(x)
    b.grad = (p - y).mean(0)
    w.data -= lr * w.grad
    b.data -= lr * b.grad
