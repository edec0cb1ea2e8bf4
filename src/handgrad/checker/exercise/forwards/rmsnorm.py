"""RMSNorm divides each row by its root mean square, and applies a gain.

x has B rows of C numbers.
"""

import torch

B, C = 6, 8
g = torch.Generator().manual_seed(42)
x = torch.randn((B, C), generator=g, requires_grad=True)
gain = torch.randn(C, generator=g, requires_grad=True)
weights = torch.randn((B, C), generator=g)

ms = (x**2).mean(1, keepdim=True)  # (B, 1)
rstd = (ms + 1e-5) ** -0.5
xhat = x * rstd  # (B, C)
y = gain * xhat
loss = (weights * y).sum()
