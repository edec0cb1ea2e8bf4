import torch

torch.manual_seed(45)
B, H, T, K = 2, 2, 3, 4
q = torch.randn(B, H, T, K)
k = torch.randn(B, H, T, K)
s = torch.einsum("bhik,bhjk->bhij", q, k)
p = s.softmax(-1)
m = p.mean((0, 1))
loss = (m * torch.arange(9.0).view(3, 3)).sum()
dm = torch.arange(9.0).view(3, 3)
dp = dm.expand(B, H, T, T) / (B * H)
ds = p * (dp - (dp * p).sum(-1, keepdim=True))
dq = torch.einsum("bhij,bhjk->bhik", ds, k)
dk = torch.einsum("bhij,bhik->bhjk", ds, q)
