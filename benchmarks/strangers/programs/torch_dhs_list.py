import torch

torch.manual_seed(42)
T = 4
xs = [torch.randn(3) for _ in range(T)]
W = torch.randn(5, 3) * 0.5
R = torch.randn(5, 5) * 0.5
hs = [torch.zeros(5)]
for t in range(T):
    hs.append(torch.tanh(W @ xs[t] + R @ hs[t]))
loss = (hs[-1] ** 2).sum()

dhs = [torch.zeros(5) for _ in range(T + 1)]
dhs[T] = 2 * hs[T]
dW = torch.zeros_like(W)
dR = torch.zeros_like(R)
for t in range(T - 1, -1, -1):
    da = dhs[t + 1] * (1 - hs[t + 1] ** 2)
    dW += torch.outer(da, xs[t])
    dR += torch.outer(da, hs[t])
    dhs[t] = R.T @ da
