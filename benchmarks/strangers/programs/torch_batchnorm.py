import torch

torch.manual_seed(8)
n = 9
pre = torch.randn(n, 4)
gain = torch.rand(4) + 0.5
bias = torch.randn(4)
m = pre.mean(0, keepdim=True)
diff = pre - m
sq = diff**2
var = sq.sum(0, keepdim=True) / (n - 1)
istd = (var + 1e-5) ** -0.5
raw = diff * istd
act = gain * raw + bias
h = torch.tanh(act)
loss = (h**3).mean()

dh = 3 * h**2 / h.numel()
dact = (1 - h**2) * dh
dgain = (raw * dact).sum(0)
dbias = dact.sum(0)
draw = gain * dact
distd = (diff * draw).sum(0, keepdim=True)
dvar = -0.5 * (var + 1e-5) ** -1.5 * distd
dsq = torch.ones_like(sq) * dvar / (n - 1)
ddiff = istd * draw
ddiff += 2 * diff * dsq
dm = -ddiff.sum(0, keepdim=True)
dpre = ddiff.clone()
dpre += dm / n
