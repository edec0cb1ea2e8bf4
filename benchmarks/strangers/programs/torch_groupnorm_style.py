import torch

torch.manual_seed(71)
x = torch.randn(3, 4, 5)
mean = x.mean((1, 2), keepdim=True)
cen = x - mean
var = cen.pow(2).mean((1, 2), keepdim=True)
std = (var + 1e-5).sqrt()
y = cen / std
wgt = torch.rand(3, 4, 5)
loss = (y * wgt).sum()
dy = wgt
dstd = -(dy * cen / std**2).sum((1, 2), keepdim=True)
dvar = dstd / (2 * std)
dcen = dy / std + dvar * 2 * cen / 20
dmean = -dcen.sum((1, 2), keepdim=True)
dx = dcen + dmean / 20
