import torch

torch.manual_seed(23)
D, H = 4, 6
x = torch.randn(5, D)
g = torch.rand(D) + 0.5
Wa, Wb = torch.randn(D, H) * 0.5, torch.randn(D, H) * 0.5
ms = (x**2).mean(1, keepdim=True)
r = torch.rsqrt(ms + 1e-6)
xn = x * r
xg = xn * g
a = xg @ Wa
b = xg @ Wb
s = torch.sigmoid(a)
sa = a * s
o = sa * b
loss = o.pow(2).mean()

do = 2 * o / o.numel()
dsa = do * b
db = do * sa
ds = dsa * a
da = dsa * s + ds * s * (1 - s)
dWa = xg.T @ da
dWb = xg.T @ db
dxg = da @ Wa.T + db @ Wb.T
dg = (dxg * xn).sum(0)
dxn = dxg * g
dr = (dxn * x).sum(1, keepdim=True)
dms = -0.5 * r**3 * dr
dx = dxn * r + dms * 2 * x / D
