"""Training loops without backward().

Each: its gradients by hand, all of them right, and its code.
"""

PROGRAMS = {
    "epochs": (
        "dW dp",
        """\
W = torch.randn(3, 2)
for e in range(2):
    for i in range(3):
        x = torch.randn(4, 3)
        p = x @ W
        loss = (p**2).sum()
        dp = 2 * p
        dW = x.T @ dp
""",
    ),
    "update rebind": (
        "dW dp",
        """\
W = torch.randn(3, 2)
for e in range(2):
    for i in range(3):
        x = torch.randn(4, 3)
        p = x @ W
        loss = (p**2).sum()
        dp = 2 * p
        dW = x.T @ dp
        W = W - .1 * dW
""",
    ),
    "update inplace": (
        "dW dp",
        """\
W = torch.randn(3, 2)
for e in range(2):
    for i in range(3):
        x = torch.randn(4, 3)
        p = x @ W
        loss = (p**2).sum()
        dp = 2 * p
        dW = x.T @ dp
        W -= .1 * dW
""",
    ),
    "main": (
        "dW1 dW2 db1 db2 dh dlogits dpre",
        """\
def main():
    W1 = torch.randn(5, 8); b1 = torch.zeros(8); W2 = torch.randn(8, 3); b2 = torch.zeros(3)
    X = torch.randn(32, 5); Y = torch.randint(0, 3, (32,))
    for epoch in range(3):
        perm = torch.randperm(32)
        for i in range(0, 32, 8):
            xb, yb = X[perm[i:i+8]], Y[perm[i:i+8]]
            h = torch.tanh(xb @ W1 + b1)
            logits = h @ W2 + b2
            loss = F.cross_entropy(logits, yb)
            dlogits = F.softmax(logits, 1)
            dlogits[range(8), yb] -= 1
            dlogits /= 8
            dW2 = h.T @ dlogits
            db2 = dlogits.sum(0)
            dh = dlogits @ W2.T
            dpre = dh * (1 - h**2)
            dW1 = xb.T @ dpre
            db1 = dpre.sum(0)
            W1 = W1 - 0.1 * dW1; b1 = b1 - 0.1 * db1
            W2 = W2 - 0.1 * dW2; b2 = b2 - 0.1 * db2
        vh = torch.tanh(X @ W1 + b1)
        val_loss = F.cross_entropy(vh @ W2 + b2, Y)
        print(epoch, val_loss.item())
main()
""",
    ),
    "a step function": (
        "dW dz",
        """\
W = torch.randn(5, 3)
def step(x, y, lr):
    global W
    z = x @ W
    loss = ((z - y)**2).mean()
    dz = 2 * (z - y) / z.numel()
    dW = x.T @ dz
    W -= lr * dW
    return loss
for lr in (0.1, 0.01):
    for k in range(3):
        step(torch.randn(4, 5), torch.randn(4, 3), lr)
""",
    ),
    "learning rates and steps": (
        "de dw",
        """\
for lr in (0.1, 0.01):
    w = torch.randn(4, 1)
    for step in range(4):
        x = torch.randn(6, 4); y = torch.randn(6, 1)
        e = x @ w - y
        loss = (e**2).mean()
        de = 2 * e / 6
        dw = x.T @ de
        w = w - lr * dw
""",
    ),
    "two loops": (
        "de dq dv dw",
        """\
w = torch.randn(4, 1); x = torch.randn(6, 4); y = torch.randn(6, 1)
for step in range(3):
    e = x @ w - y
    loss = (e**2).mean()
    de = 2 * e / 6
    dw = x.T @ de
    w = w - .1 * dw
v = torch.randn(4, 1)
for step in range(3):
    q = x @ v - y
    loss = (q**2).mean()
    dq = 2 * q / 6
    dv = x.T @ dq
    v = v - .1 * dv
""",
    ),
    "validation per epoch": (
        "de dw",
        """\
w = torch.randn(4, 1); X = torch.randn(16, 4); Y = torch.randn(16, 1)
for epoch in range(3):
    for i in range(0, 12, 4):
        x, y = X[i:i+4], Y[i:i+4]
        e = x @ w - y
        loss = (e**2).mean()
        de = 2 * e / 4
        dw = x.T @ de
        w -= .1 * dw
    e = X[12:] @ w - Y[12:]
    loss = (e**2).mean()
""",
    ),
    "accumulated": (
        "de dw",
        """\
w = torch.randn(4, 1)
for step in range(3):
    dw = torch.zeros_like(w)
    for micro in range(2):
        x = torch.randn(5, 4); y = torch.randn(5, 1)
        e = x @ w - y
        loss = (e**2).mean() / 2
        de = 2 * e / 5 / 2
        dw += x.T @ de
    w = w - .1 * dw
""",
    ),
    "train and validation loss before the gradients": (
        "de dw",
        """\
w = torch.randn(4, 1)
for step in range(3):
    x = torch.randn(5, 4); y = torch.randn(5, 1); xv = torch.randn(7, 4); yv = torch.randn(7, 1)
    e = x @ w - y
    train_loss = (e**2).mean()
    ev = xv @ w - yv
    val_loss = (ev**2).mean()
    de = 2 * e / 5
    dw = x.T @ de
    w = w - .1 * dw
""",
    ),
    "summed over time": (
        "dWh dWx dh draw",
        """\
T = 4
Wx = torch.randn(3, 5); Wh = torch.randn(5, 5); x = torch.randn(T, 2, 3); y = torch.randn(T, 2, 5)
h = torch.zeros(2, 5); hs = [h]
loss = 0
for t in range(T):
    h = torch.tanh(x[t] @ Wx + h @ Wh)
    hs.append(h)
    loss = loss + ((h - y[t])**2).sum()
dWx = torch.zeros_like(Wx); dWh = torch.zeros_like(Wh); dh = torch.zeros_like(h)
for t in reversed(range(T)):
    dh = dh + 2 * (hs[t+1] - y[t])
    draw = dh * (1 - hs[t+1]**2)
    dWx += x[t].T @ draw
    dWh += hs[t].T @ draw
    dh = draw @ Wh.T
""",
    ),
    "w.data = ...": (
        "dw dz",
        """\
w = torch.randn(4, 2); x = torch.randn(5, 4)
for k in range(3):
    z = x @ w
    loss = (z**2).sum()
    dz = 2 * z
    dw = x.T @ dz
    w.data = w.data - 0.01 * dw
""",
    ),
    "w.data = ... under no_grad": (
        "dw dz",
        """\
w = torch.randn(4, 2); x = torch.randn(5, 4); lr = .01
for k in range(3):
    z = x @ w
    loss = (z**2).sum()
    dz = 2 * z
    dw = x.T @ dz
    with torch.no_grad():
        w.data = w.data - lr*dw
""",
    ),
    "made once outside the loop": (
        "ds dv",
        """\
x = torch.randn(5, 4); w = torch.randn(4, 3); v = torch.randn(3, 2)
a = x @ w
for step in range(3):
    s = a @ v
    loss = (s**2).sum()
    ds = 2 * s
    dv = a.T @ ds
    v.data -= 0.01 * dv
""",
    ),
    "chained indexing": (
        "dlp dx",
        """\
n = 6
x = torch.randn(n, 4, requires_grad=True); y = torch.randint(0, 4, (n,))
lp = F.log_softmax(x, 1)
loss = -lp[range(n), y].mean(); loss.backward()
dlp = torch.zeros_like(lp)
for i in range(n):
    dlp[i][y[i]] = -1/n
dx = dlp - lp.exp() * dlp.sum(1, keepdim=True)
""",
    ),
    "indexing": (
        "dlp dx",
        """\
n = 6
x = torch.randn(n, 4, requires_grad=True); y = torch.randint(0, 4, (n,))
lp = F.log_softmax(x, 1)
loss = -lp[range(n), y].mean(); loss.backward()
dlp = torch.zeros_like(lp)
for i in range(n):
    dlp[i, y[i]] = -1/n
dx = dlp - lp.exp() * dlp.sum(1, keepdim=True)
""",
    ),
    "parameters made again": (
        "dh dz",
        """\
w=torch.randn(5,4); v=torch.randn(4,3)
for p in (w,v): p.requires_grad=True
w=torch.randn(5,4); v=torch.randn(4,3); y=torch.randint(0,3,(8,))
h=torch.tanh(torch.randn(8,5)@w); z=h@v; loss=F.cross_entropy(z,y)
dz=F.softmax(z,1); dz[range(8),y]-=1; dz/=8; dh=dz@v.T
""",
    ),
}
