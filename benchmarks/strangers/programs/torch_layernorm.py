import torch

torch.manual_seed(6)
x = torch.randn(7, 5)
gamma = torch.rand(5) + 0.5
beta = torch.randn(5)
t = torch.randn(7, 5)
mu = x.mean(1, keepdim=True)
xc = x - mu
var = (xc**2).mean(1, keepdim=True)
inv = (var + 1e-5) ** -0.5
xhat = xc * inv
y = gamma * xhat + beta
loss = (y * t).sum()

dy = t
dgamma = (dy * xhat).sum(0)
dbeta = dy.sum(0)
dxhat = dy * gamma
dinv = (dxhat * xc).sum(1, keepdim=True)
dvar = dinv * -0.5 * (var + 1e-5) ** -1.5
dxc = dxhat * inv + dvar * 2 * xc / 5
dmu = -dxc.sum(1, keepdim=True)
dx = dxc + dmu / 5
