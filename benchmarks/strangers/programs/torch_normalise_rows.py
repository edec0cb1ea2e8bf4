import torch

torch.manual_seed(50)
a = torch.randn(4, 3)
b = torch.randn(4, 3)
na = a.norm(dim=1, keepdim=True)
nb = b.norm(dim=1, keepdim=True)
ua = a / na
ub = b / nb
cos = (ua * ub).sum(1)
loss = ((cos - 1) ** 2).mean()
dcos = 2 * (cos - 1) / 4
dua = dcos[:, None] * ub
dub = dcos[:, None] * ua
da = (dua - ua * (ua * dua).sum(1, keepdim=True)) / na
db = (dub - ub * (ub * dub).sum(1, keepdim=True)) / nb
