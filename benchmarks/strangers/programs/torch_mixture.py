import torch

torch.manual_seed(70)
x = torch.randn(6, 4)
G = torch.randn(4, 2)
A = torch.randn(4, 3)
B = torch.randn(4, 3)
gate = torch.softmax(x @ G, 1)
ya = x @ A
yb = torch.tanh(x @ B)
mix = gate[:, :1] * ya + gate[:, 1:] * yb
loss = (mix**2).sum()
dmix = 2 * mix
dgate = torch.stack([(dmix * ya).sum(1), (dmix * yb).sum(1)], 1)
dya = gate[:, :1] * dmix
dyb = gate[:, 1:] * dmix
dA = x.T @ dya
dB = x.T @ (dyb * (1 - yb**2))
dlog = gate * (dgate - (dgate * gate).sum(1, keepdim=True))
dG = x.T @ dlog
dx = dlog @ G.T + dya @ A.T + (dyb * (1 - yb**2)) @ B.T
