import torch

torch.manual_seed(12)
x = torch.randn(6, 4)
A = torch.randn(4, 4) * 0.5
B = torch.randn(4, 4) * 0.5
u = x @ A
r = torch.relu(u)
s = r @ B
o = x + s
p = o.tanh()
loss = p.sum() + 0.1 * (A**2).sum()

dp = torch.ones_like(p)
do = dp * (1 - p**2)
ds = do
dr = ds @ B.T
dB = r.T @ ds
du = dr * (u > 0).float()
dA = x.T @ du + 0.2 * A
dx = do + du @ A.T
