import torch
import torch.nn.functional as F

torch.manual_seed(10)
B, T, C = 2, 4, 3
q = torch.randn(B, T, C)
k = torch.randn(B, T, C)
v = torch.randn(B, T, C)
mask = torch.tril(torch.ones(T, T)) == 0
wei = (q @ k.transpose(1, 2)) * C**-0.5
weim = wei.masked_fill(mask, float("-inf"))
prob = F.softmax(weim, -1)
y = prob @ v
loss = (y * torch.arange(1.0, 4.0)).mean()

dy = torch.arange(1.0, 4.0).expand(B, T, C) / y.numel()
dprob = dy @ v.transpose(1, 2)
dv = prob.transpose(1, 2) @ dy
dweim = prob * (dprob - (prob * dprob).sum(-1, keepdim=True))
dwei = dweim.masked_fill(mask, 0.0)
dq = dwei @ k * C**-0.5
dk = dwei.transpose(1, 2) @ q * C**-0.5
