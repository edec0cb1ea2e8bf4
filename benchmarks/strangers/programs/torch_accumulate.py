import torch

torch.manual_seed(21)
W = torch.randn(3, 2)
data = torch.randn(4, 5, 3)
goal = torch.randn(4, 5, 2)
lr = 0.1
for epoch in range(2):
    dW = torch.zeros_like(W)
    total = 0.0
    for micro in range(4):
        x, y = data[micro], goal[micro]
        out = torch.tanh(x @ W)
        loss = ((out - y) ** 2).mean() / 4
        total = total + loss
        dout = 2 * (out - y) / out.numel() / 4
        dW += x.T @ (dout * (1 - out**2))
    W = W - lr * dW
