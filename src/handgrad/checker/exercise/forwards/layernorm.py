"""LayerNorm subtracts the mean of each row, divides by its deviation, applies gain and bias.

x has B rows of C numbers. The variance divides by C.
"""

import torch

B, C = 6, 8
g = torch.Generator().manual_seed(42)
x = torch.randn((B, C), generator=g, requires_grad=True)
gain = torch.randn(C, generator=g, requires_grad=True)
bias = torch.randn(C, generator=g, requires_grad=True)
weights = torch.randn((B, C), generator=g)

mean = x.mean(1, keepdim=True)  # (B, 1)
diff = x - mean  # (B, C)
var = (diff**2).mean(1, keepdim=True)  # (B, 1)
rstd = (var + 1e-5) ** -0.5
xhat = diff * rstd  # (B, C)
y = gain * xhat + bias
loss = (weights * y).sum()
