import torch

torch.manual_seed(15)
T, n, m = 4, 3, 5
xs = torch.randn(T, n)
target = torch.randn(T, 2)
Wx = torch.randn(n, m) * 0.5
Wh = torch.randn(m, m) * 0.5
Wy = torch.randn(m, 2) * 0.5
hs = {-1: torch.zeros(m)}
ys = {}
loss = 0
for t in range(T):
    hs[t] = torch.tanh(xs[t] @ Wx + hs[t - 1] @ Wh)
    ys[t] = hs[t] @ Wy
    loss = loss + ((ys[t] - target[t]) ** 2).sum()

dWx, dWh, dWy = torch.zeros_like(Wx), torch.zeros_like(Wh), torch.zeros_like(Wy)
dhnext = torch.zeros(m)
for t in reversed(range(T)):
    dy = 2 * (ys[t] - target[t])
    dWy += torch.outer(hs[t], dy)
    dh = dy @ Wy.T + dhnext
    draw = (1 - hs[t] ** 2) * dh
    dWx += torch.outer(xs[t], draw)
    dWh += torch.outer(hs[t - 1], draw)
    dhnext = draw @ Wh.T
