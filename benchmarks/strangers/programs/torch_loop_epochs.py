import torch

torch.manual_seed(3)
X = torch.randn(24, 4)
Y = torch.randn(24, 2)
W = torch.randn(4, 2)
c = torch.zeros(2)
lr = 0.05
for epoch in range(2):
    for i in range(0, 24, 8):
        xb, yb = X[i : i + 8], Y[i : i + 8]
        pred = xb @ W + c
        loss = ((pred - yb) ** 2).sum() / 8
        dpred = 2 * (pred - yb) / 8
        dW = xb.T @ dpred
        dc = dpred.sum(0)
        W = W - lr * dW
        c = c - lr * dc
