import torch
import torch.nn.functional as F

torch.manual_seed(14)
x = torch.randn(2, 3, 6, 6)
w = torch.randn(4, 3, 3, 3) * 0.3
b = torch.randn(4)
z = F.conv2d(x, w, b, padding=1)
a = F.relu(z)
pooled = a.mean((2, 3))
loss = (pooled**2).sum()

dpooled = 2 * pooled
da = dpooled[:, :, None, None].expand_as(a) / 36
dz = da * (z > 0)
db = dz.sum((0, 2, 3))
dw = torch.nn.grad.conv2d_weight(x, w.shape, dz, padding=1)
dx = F.conv_transpose2d(dz, w, padding=1)
