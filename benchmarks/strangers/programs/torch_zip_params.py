import torch

torch.manual_seed(24)
params = [torch.randn(3, 4), torch.randn(4), torch.randn(4, 1)]
x = torch.randn(10, 3)
y = torch.randn(10, 1)
lr = 0.01
for it in range(3):
    w1, b1, w2 = params
    pre = x @ w1 + b1
    h = pre.clamp(min=0)
    e = h @ w2 - y
    loss = (e**2).sum()
    de = 2 * e
    dw2 = h.T @ de
    dpre = (de @ w2.T) * (pre > 0)
    grads = [x.T @ dpre, dpre.sum(0), dw2]
    for p, g in zip(params, grads):
        p -= lr * g
