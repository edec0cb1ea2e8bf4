import torch
import torch.nn.functional as F

torch.manual_seed(13)
img = torch.randn(2, 2, 5, 5)
kern = torch.randn(3, 2, 3, 3)
cols = F.unfold(img, 3)
flat = kern.reshape(3, -1)
res = flat @ cols
act = torch.sigmoid(res)
loss = (act**2).mean()

dact = 2 * act / act.numel()
dres = dact * act * (1 - act)
dflat = (dres @ cols.transpose(1, 2)).sum(0)
dkern = dflat.reshape(kern.shape)
dcols = flat.T @ dres
dimg = F.fold(dcols, (5, 5), 3)
