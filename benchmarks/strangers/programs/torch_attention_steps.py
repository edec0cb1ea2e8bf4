import math

import torch

torch.manual_seed(4)
B, T, D = 3, 5, 4
x = torch.randn(B, T, D, dtype=torch.float64)
wq = torch.randn(D, D, dtype=torch.float64, requires_grad=True)
wk = torch.randn(D, D, dtype=torch.float64, requires_grad=True)
wv = torch.randn(D, D, dtype=torch.float64, requires_grad=True)
mask = torch.triu(torch.ones(T, T, dtype=torch.float64), diagonal=1)

Q = x @ wq
K = x @ wk
V = x @ wv
S = torch.einsum("bid,bjd->bij", Q, K)
Z = S / math.sqrt(D)
M = Z + mask * -1e10
num = torch.exp(M - M.amax(dim=2, keepdim=True))
den = num.sum(dim=2, keepdim=True)
A = num / den
Y = torch.einsum("bij,bjd->bid", A, V)
loss = torch.tanh(Y).sum()
loss.backward()

gY = 1 - torch.tanh(Y) ** 2
gA = torch.einsum("bid,bjd->bij", gY, V)
gV = torch.einsum("bij,bid->bjd", A, gY)
gnum = gA / den
gden = -(gA * num / den**2).sum(dim=2, keepdim=True)
gnum = gnum + gden
gM = gnum * num
gZ = gM
gS = gZ / math.sqrt(D)
gQ = torch.einsum("bij,bjd->bid", gS, K)
gK = torch.einsum("bij,bid->bjd", gS, Q)
gwq = torch.einsum("bti,btj->ij", x, gQ)
gwk = torch.einsum("bti,btj->ij", x, gK)
gwv = torch.einsum("bti,btj->ij", x, gV)
print((gwq - wq.grad).abs().max(), (gwk - wk.grad).abs().max(), (gwv - wv.grad).abs().max())
