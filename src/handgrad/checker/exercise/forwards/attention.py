"""Causal self-attention with several heads: each position averages what came before it.

B sequences of T positions with C numbers; H heads of size D.
"""

import torch

B, T, C, H = 2, 5, 12, 3
D = C // H
g = torch.Generator().manual_seed(42)
x = torch.randn((B, T, C), generator=g, requires_grad=True)
Wq = (torch.randn((C, C), generator=g) * C**-0.5).requires_grad_()
Wk = (torch.randn((C, C), generator=g) * C**-0.5).requires_grad_()
Wv = (torch.randn((C, C), generator=g) * C**-0.5).requires_grad_()
Wo = (torch.randn((C, C), generator=g) * C**-0.5).requires_grad_()
weights = torch.randn((B, T, C), generator=g)
mask = torch.tril(torch.ones(T, T)) == 0

# a head is a slice of the last dimension: (B, T, C) -> (B, H, T, D)
q = (x @ Wq).view(B, T, H, D).transpose(1, 2)
k = (x @ Wk).view(B, T, H, D).transpose(1, 2)
v = (x @ Wv).view(B, T, H, D).transpose(1, 2)

scores = q @ k.transpose(2, 3) * D**-0.5  # (B, H, T, T)
masked = scores.masked_fill(mask, float("-inf"))
att = masked.softmax(-1)
heads = att @ v  # (B, H, T, D)

# the heads side by side again
y = heads.transpose(1, 2).reshape(B, T, C)
out = y @ Wo
loss = (weights * out).sum()
