import torch


def linear_fwd(x, w, b):
    y = x @ w.t() + b
    return y, (x, w)


def linear_bwd(dy, cache):
    x, w = cache
    dx = dy @ w
    dw = dy.t() @ x
    db = dy.sum(0)
    return dx, dw, db


def gelu_fwd(x):
    s = torch.sigmoid(1.702 * x)
    return x * s, (x, s)


def gelu_bwd(dy, cache):
    x, s = cache
    return dy * (s + 1.702 * x * s * (1 - s))


torch.manual_seed(40)
x = torch.randn(5, 3)
w = torch.randn(4, 3)
b = torch.randn(4)
u = torch.randn(2, 4)
c = torch.randn(2)
h, k1 = linear_fwd(x, w, b)
g, k2 = gelu_fwd(h)
o, k3 = linear_fwd(g, u, c)
loss = (o**2).sum()
do = 2 * o
dg, du, dc = linear_bwd(do, k3)
dh = gelu_bwd(dg, k2)
dx, dw, db = linear_bwd(dh, k1)
