import torch

torch.manual_seed(1)
x = torch.randn(8, 5)
y = torch.randn(8, 3)
w1 = torch.randn(5, 6)
b1 = torch.randn(6)
w2 = torch.randn(6, 3)
pre = x @ w1 + b1
h = torch.tanh(pre)
out = h @ w2
loss = ((out - y) ** 2).mean()

dout = 2 * (out - y) / out.numel()
dw2 = h.T @ dout
dh = dout @ w2.T
dpre = (1 - h**2) * dh
dw1 = x.T @ dpre
db1 = dpre.sum(0)
