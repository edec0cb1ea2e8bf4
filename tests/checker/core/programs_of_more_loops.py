"""Loops over steps, batches and time.

Each: its gradients by hand, all of them right, and its code.
"""

PROGRAMS = {
    "carried state": (
        "dWh dWx dh draw",
        """\
Wx = torch.randn(3, 5) * .3; Wh = torch.randn(5, 5) * .3
hprev = torch.zeros(2, 5)
for step in range(4):
    x = torch.randn(2, 3); y = torch.randn(2, 5)
    h = torch.tanh(x @ Wx + hprev @ Wh)
    loss = ((h - y)**2).sum()
    dh = 2 * (h - y)
    draw = dh * (1 - h**2)
    dWx = x.T @ draw
    dWh = hprev.T @ draw
    Wx = Wx - .1 * dWx; Wh = Wh - .1 * dWh
    hprev = h
""",
    ),
    "momentum": (
        "dw dz",
        """\
w = torch.randn(4, 2); vel = torch.zeros(4, 2)
for k in range(4):
    x = torch.randn(5, 4)
    z = x @ w
    loss = (z**2).sum()
    dz = 2 * z
    dw = x.T @ dz
    vel = 0.9 * vel - 0.01 * dw
    w = w + vel
""",
    ),
    "adam": (
        "dw dz",
        """\
w = torch.randn(4, 2); m = torch.zeros(4, 2); v = torch.zeros(4, 2)
for k in range(1, 5):
    x = torch.randn(5, 4)
    z = x @ w
    loss = (z**2).sum()
    dz = 2 * z
    dw = x.T @ dz
    m = .9 * m + .1 * dw
    v = .99 * v + .01 * dw**2
    mh = m / (1 - .9**k); vh = v / (1 - .99**k)
    w = w - .01 * mh / (vh.sqrt() + 1e-8)
""",
    ),
    "weight decay": (
        "dw dz",
        """\
w = torch.randn(4, 2)
for k in range(4):
    x = torch.randn(5, 4)
    z = x @ w
    loss = (z**2).sum() + 0.1 * (w**2).sum()
    dz = 2 * z
    dw = x.T @ dz + 0.2 * w
    w = w - .01 * dw
""",
    ),
    "grad fn called": (
        "dW db dz",
        """\
def forward(x, W, b):
    z = x @ W + b
    a = torch.sigmoid(z)
    return z, a
def backward(x, y, a):
    m = x.shape[0]
    dz = (a - y) / m
    dW = x.T @ dz
    db = dz.sum(0)
    return dW, db
W = torch.zeros(3, 1); b = torch.zeros(1)
X = torch.randn(20, 3); Y = (torch.rand(20, 1) > .5).float()
for epoch in range(3):
    for i in range(0, 20, 5):
        z, a = forward(X[i:i+5], W, b)
        loss = F.binary_cross_entropy(a, Y[i:i+5])
        dW, db = backward(X[i:i+5], Y[i:i+5], a)
        W = W - .5 * dW
        b = b - .5 * db
    z, a = forward(X, W, b)
    print(F.binary_cross_entropy(a, Y))
""",
    ),
    "loss unnamed printed": (
        "de dw",
        """\
w = torch.randn(4, 1)
for step in range(3):
    x = torch.randn(5, 4); y = torch.randn(5, 1)
    e = x @ w - y
    cost = (e**2).mean()
    print(cost.item())
    de = 2 * e / 5
    dw = x.T @ de
    w = w - .1 * dw
""",
    ),
    "J": (
        "grad",
        """\
theta = torch.zeros(3, 1); X = torch.randn(10, 3); y = torch.randn(10, 1)
for it in range(5):
    h = X @ theta
    J = ((h - y)**2).sum() / 20
    grad = X.T @ (h - y) / 10
    theta = theta - 0.1 * grad
""",
    ),
    "err loop": (
        "dout dpre dw",
        """\
w = torch.randn(4, 1)
for step in range(3):
    x = torch.randn(5, 4); y = torch.randn(5, 1)
    out = torch.sigmoid(x @ w)
    err = ((out - y)**2).mean()
    dout = 2 * (out - y) / 5
    dpre = dout * out * (1 - out)
    dw = x.T @ dpre
    w = w - .1 * dw
""",
    ),
    "printed loss": (
        "dout dpre dw",
        """\
w = torch.randn(4, 1); x = torch.randn(5, 4); y = torch.randn(5, 1)
for step in range(3):
    out = torch.sigmoid(x @ w)
    print(((out - y)**2).mean().item())
    dout = 2 * (out - y) / 5
    dpre = dout * out * (1 - out)
    dw = x.T @ dpre
    w = w - .1 * dw
""",
    ),
    "gradients inside the loop over time": (
        "dWh dWx dWy dh dhnext dlogits draw",
        """\
T = 5
Wx = torch.randn(3, 5)*.4; Wh = torch.randn(5, 5)*.4; Wy = torch.randn(5, 6)*.4
for it in range(3):
    x = torch.randn(T, 2, 3); y = torch.randint(0, 6, (T, 2))
    h = torch.zeros(2, 5); hs = {-1: h}
    loss = 0; dlogs = {}
    for t in range(T):
        hs[t] = torch.tanh(x[t] @ Wx + hs[t-1] @ Wh)
        logits = hs[t] @ Wy
        loss = loss + F.cross_entropy(logits, y[t])
        dlogits = F.softmax(logits, 1); dlogits[range(2), y[t]] -= 1; dlogits /= 2
        dlogs[t] = dlogits
    dWx = torch.zeros_like(Wx); dWh = torch.zeros_like(Wh); dWy = torch.zeros_like(Wy)
    dhnext = torch.zeros(2, 5)
    for t in reversed(range(T)):
        dWy += hs[t].T @ dlogs[t]
        dh = dlogs[t] @ Wy.T + dhnext
        draw = dh * (1 - hs[t]**2)
        dWx += x[t].T @ draw
        dWh += hs[t-1].T @ draw
        dhnext = draw @ Wh.T
    Wx -= .1 * dWx; Wh -= .1 * dWh; Wy -= .1 * dWy
""",
    ),
    "epoch total": (
        "de dw",
        """\
w = torch.randn(4, 1); X = torch.randn(20, 4); Y = torch.randn(20, 1)
for epoch in range(2):
    total_loss = 0
    for i in range(0, 20, 5):
        x, y = X[i:i+5], Y[i:i+5]
        e = x @ w - y
        loss = (e**2).mean()
        total_loss += loss
        de = 2 * e / 5
        dw = x.T @ de
        w -= .1 * dw
    print(total_loss / 4)
""",
    ),
    "carried inplace": (
        "dWh dWx dh draw",
        """\
Wx = torch.randn(3, 5) * .3; Wh = torch.randn(5, 5) * .3
hprev = torch.zeros(2, 5)
for step in range(4):
    x = torch.randn(2, 3); y = torch.randn(2, 5)
    h = torch.tanh(x @ Wx + hprev @ Wh)
    loss = ((h - y)**2).sum()
    dh = 2 * (h - y)
    draw = dh * (1 - h**2)
    dWx = x.T @ draw
    dWh = hprev.T @ draw
    Wx -= .1 * dWx; Wh -= .1 * dWh
    hprev = h
""",
    ),
    "loss at end": (
        "dout dpre dw",
        """\
w = torch.randn(4, 1); x = torch.randn(5, 4); y = torch.randn(5, 1)
for step in range(4):
    out = torch.sigmoid(x @ w)
    dout = 2 * (out - y) / 5
    dpre = dout * out * (1 - out)
    dw = x.T @ dpre
    w = w - .1 * dw
    if step % 2 == 0: loss = ((out - y)**2).mean(); print(loss)
""",
    ),
    "regularised": (
        "dw dz",
        """\
w = torch.randn(4, 3); x = torch.randn(5, 4); y = torch.randint(0, 3, (5,)); reg = 1e-2
for step in range(4):
    z = x @ w
    data_loss = F.cross_entropy(z, y)
    reg_loss = 0.5 * reg * (w**2).sum()
    loss = data_loss + reg_loss
    dz = F.softmax(z, 1); dz[range(5), y] -= 1; dz /= 5
    dw = x.T @ dz
    dw += reg * w
    w -= .1 * dw
""",
    ),
    "backward accum": (
        "de dw",
        """\
w = torch.randn(4, 1, requires_grad=True)
for step in range(2):
    dw = torch.zeros_like(w)
    w.grad = None
    for micro in range(2):
        x = torch.randn(5, 4); y = torch.randn(5, 1)
        e = x @ w - y
        loss = (e**2).mean()
        loss.backward()
        with torch.no_grad():
            de = 2 * e / 5
            dw += x.T @ de
    with torch.no_grad(): w -= 0.1 * w.grad
""",
    ),
    "while loop": (
        "de dw",
        """\
w = torch.randn(4, 1); x = torch.randn(5, 4); y = torch.randn(5, 1)
i = 0; loss = torch.tensor(1e9)
while i < 5 and loss > 1e-6:
    e = x @ w - y
    loss = (e**2).mean()
    de = 2 * e / 5
    dw = x.T @ de
    w = w - .1 * dw
    i += 1
""",
    ),
    "finite diff loop": (
        "de dw",
        """\
w = torch.randn(4, 1); x = torch.randn(5, 4); y = torch.randn(5, 1)
def f(w): return ((x @ w - y)**2).mean()
e = x @ w - y
loss = (e**2).mean()
de = 2 * e / 5
dw = x.T @ de
num = torch.zeros_like(w)
for i in range(4):
    wp = w.clone(); wp[i] += 1e-4
    wm = w.clone(); wm[i] -= 1e-4
    num[i] = (f(wp) - f(wm)) / 2e-4
print((num - dw).abs().max())
""",
    ),
}
