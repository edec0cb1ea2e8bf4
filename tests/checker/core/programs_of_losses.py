"""Several losses in one file. Each: its gradients by hand, all of them right, and its code."""

PROGRAMS = {
    "train and validation loss": (
        "de dw",
        """\
w = torch.randn(4, 1)
x = torch.randn(5, 4); y = torch.randn(5, 1); xv = torch.randn(7, 4); yv = torch.randn(7, 1)
e = x @ w - y
loss = (e**2).mean()
loss_val = ((xv @ w - yv)**2).mean()
de = 2 * e / 5
dw = x.T @ de
""",
    ),
    "finite differences": (
        "dz",
        """\
z = torch.randn(6, 4, requires_grad=True); y = torch.randint(0, 4, (6,))
loss = F.cross_entropy(z, y)
loss.backward()
zh = z.clone(); zh[0,0] += 1e-3
lossh = F.cross_entropy(zh, y)
dz = F.softmax(z, 1); dz[range(6), y] -= 1; dz /= 6
""",
    ),
    "fd2": (
        "dw dz",
        """\
w = torch.randn(4, 3, requires_grad=True); x = torch.randn(5, 4)
z = x @ w
loss = (z**2).mean()
loss.backward()
with torch.no_grad():
    w2 = w.clone(); w2[0, 0] += 1e-4
    loss2 = ((x @ w2)**2).mean()
    print((loss2 - loss) / 1e-4)
dz = 2 * z / 15
dw = x.T @ dz
""",
    ),
    "a shorter second pass": (
        "da ds dw",
        """\
x = torch.randn(5, 4); w = torch.randn(4, 3)
a = x @ w
s = a * 2
loss = (s**2).sum()
ds = 2 * s
da = 2 * ds
dw = x.T @ da
a = torch.randn(7, 3)
s = a * 2
loss = (s**2).sum()
ds = 2 * s
da = 2 * ds
""",
    ),
    "a second pass from the middle": (
        "da ds dw",
        """\
x = torch.randn(5, 4); w = torch.randn(4, 3)
a = x @ w
s = a * 2
loss = (s**2).sum()
ds = 2 * s
da = 2 * ds
dw = x.T @ da
s = a * 3
loss = (s**2).mean()
ds = 2 * s / s.numel()
da = 3 * ds
""",
    ),
    "two leaves": (
        "dx",
        """\
x = torch.randn(4,3,requires_grad=True); loss = (x**2).sum(); loss.backward()
u = torch.randn(4,2,requires_grad=True); loss = (u**3).sum(); loss.backward()
dx = 2*x
""",
    ),
    "two losses same nodes": (
        "de dw",
        """\
w = torch.randn(4, 1); x = torch.randn(5, 4); y = torch.randn(5, 1)
e = x @ w - y
mse_loss = (e**2).mean()
mae_loss = e.abs().mean()
de = torch.sign(e) / 5
dw = x.T @ de
""",
    ),
    "two epochs flat": (
        "de dw",
        """\
w = torch.randn(4, 1); x = torch.randn(5, 4); y = torch.randn(5, 1)
e = x @ w - y
loss = (e**2).mean()
de = 2 * e / 5
dw = x.T @ de
w = w - .1 * dw
e = x @ w - y
loss = (e**2).mean()
de = 2 * e / 5
dw = x.T @ de
w = w - .1 * dw
""",
    ),
    "step fn flat": (
        "de dw",
        """\
w = torch.randn(4, 1); x = torch.randn(5, 4); y = torch.randn(5, 1)
def step(w):
    e = x @ w - y
    loss = (e**2).mean()
    de = 2 * e / 5
    dw = x.T @ de
    return w - .1 * dw, loss
w, l0 = step(w)
w, l1 = step(w)
w, l2 = step(w)
""",
    ),
    "step fn flat inplace": (
        "de dw",
        """\
w = torch.randn(4, 1); x = torch.randn(5, 4); y = torch.randn(5, 1)
def step():
    global w
    e = x @ w - y
    loss = (e**2).mean()
    de = 2 * e / 5
    dw = x.T @ de
    w -= .1 * dw
    return loss
step(); step(); step()
""",
    ),
}
