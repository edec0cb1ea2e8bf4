"""BatchNorm subtracts the mean of each column, divides by its deviation, applies gain and bias.

x has B rows of C numbers. The variance divides by B - 1, as in the lecture (Bessel's correction).
"""

import torch

B, C = 8, 5
g = torch.Generator().manual_seed(42)
x = torch.randn((B, C), generator=g, requires_grad=True)
gain = torch.randn(C, generator=g, requires_grad=True)
bias = torch.randn(C, generator=g, requires_grad=True)
weights = torch.randn((B, C), generator=g)

mean = x.mean(0, keepdim=True)  # (1, C)
diff = x - mean  # (B, C)
var = (diff**2).sum(0, keepdim=True) / (B - 1)  # (1, C)
rstd = (var + 1e-5) ** -0.5
xhat = diff * rstd  # (B, C)
y = gain * xhat + bias
loss = (weights * y).sum()
