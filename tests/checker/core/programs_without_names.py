"""Gradients whose names do not say whose they are."""

RIGHT = {
    "delta rebinding": (
        "delta dW2 delta dW1",
        """\
x = torch.randn(6, 4)
y = torch.randn(6, 2)
W1 = torch.randn(4, 5)
W2 = torch.randn(5, 2)
for k in range(3):
    a1 = torch.sigmoid(x @ W1)
    out = torch.sigmoid(a1 @ W2)
    loss = ((out - y)**2).sum()
    delta = 2 * (out - y) * out * (1 - out)
    dW2 = a1.T @ delta
    delta = (delta @ W2.T) * a1 * (1 - a1)
    dW1 = x.T @ delta
    W1 -= .1 * dW1; W2 -= .1 * dW2
""",
    ),
    "layer deltas": (
        "l2_delta l1_error l1_delta dsyn1 dsyn0",
        """\
x = torch.randn(6, 4)
y = torch.randn(6, 2)
syn0 = torch.randn(4, 5)
syn1 = torch.randn(5, 2)
for k in range(3):
    l1 = torch.sigmoid(x @ syn0)
    l2 = torch.sigmoid(l1 @ syn1)
    l2_error = l2 - y
    loss = 0.5 * (l2_error**2).sum()
    l2_delta = l2_error * l2 * (1 - l2)
    l1_error = l2_delta @ syn1.T
    l1_delta = l1_error * l1 * (1 - l1)
    dsyn1 = l1.T @ l2_delta
    dsyn0 = x.T @ l1_delta
    syn1 -= dsyn1; syn0 -= dsyn0
""",
    ),
    "relu inplace": (
        "dz dW2 dh dW1 dh",
        """\
x = torch.randn(8, 4)
W1 = torch.randn(4, 6, requires_grad=True)
W2 = torch.randn(6, 2, requires_grad=True)
h = torch.relu(x @ W1)
z = h @ W2
loss = (z**2).sum(); loss.backward()
dz = 2 * z
dW2 = h.T @ dz
dh = dz @ W2.T
dh[h <= 0] = 0
dW1 = x.T @ dh
""",
    ),
    "relu clone": (
        "grad_y_pred grad_w2 grad_h_relu grad_h grad_w1",
        """\
x = torch.randn(8, 4)
w1 = torch.randn(4, 6)
w2 = torch.randn(6, 2)
y = torch.randn(8, 2)
for t in range(4):
    h = x.mm(w1)
    h_relu = h.clamp(min=0)
    y_pred = h_relu.mm(w2)
    loss = (y_pred - y).pow(2).sum()
    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h_relu.t().mm(grad_y_pred)
    grad_h_relu = grad_y_pred.mm(w2.t())
    grad_h = grad_h_relu.clone()
    grad_h[h < 0] = 0
    grad_w1 = x.t().mm(grad_h)
    w1 -= 1e-6 * grad_w1
    w2 -= 1e-6 * grad_w2
""",
    ),
    "rnn draw": (
        "dWx dWh grad pre back",
        """\
T = 4
Wx = torch.randn(3, 5)*.5
Wh = torch.randn(5, 5)*.5
x = torch.randn(T, 2, 3)
y = torch.randn(T, 2, 5)
hs = [torch.zeros(2, 5)]
for t in range(T): hs.append(torch.tanh(x[t] @ Wx + hs[-1] @ Wh))
loss = sum(((hs[t+1] - y[t])**2).sum() for t in range(T))
dWx = torch.zeros_like(Wx); dWh = torch.zeros_like(Wh); back = torch.zeros(2, 5)
for t in reversed(range(T)):
    grad = back + 2 * (hs[t+1] - y[t])
    pre = grad * (1 - hs[t+1]**2)
    dWx += x[t].T @ pre
    dWh += hs[t].T @ pre
    back = pre @ Wh.T
""",
    ),
    "unnamed pre": (
        "t dV u dW db",
        """\
x = torch.randn(6, 4)
W = torch.randn(4, 5, requires_grad=True)
b = torch.randn(5, requires_grad=True)
V = torch.randn(5, 3, requires_grad=True)
y = torch.randint(0, 3, (6,))
h = torch.tanh(x @ W + b)
loss = F.cross_entropy(h @ V, y)
loss.backward()
p = F.softmax(h @ V, 1)
t = p.clone(); t[range(6), y] -= 1; t /= 6
dV = h.T @ t
u = t @ V.T * (1 - h**2)
dW = x.T @ u
db = u.sum(0)
""",
    ),
    "db scratch": (
        "da dx",
        """\
x = torch.randn(8, 6, requires_grad=True)
a = x * 2
b = F.layer_norm(a, (6,))
loss = (b**3).sum(); loss.backward()
g = 3 * b**2
db = g.sum(1)
std = (a.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
da = (g - g.mean(1, keepdim=True) - b * (g * b).mean(1, keepdim=True)) / std
dx = 2 * da
""",
    ),
}
"""Gradients by hand, all of them right, and the code."""

MISTAKES = {
    "delta rebinding": (
        "delta rebinding",
        "delta = 2 * (out - y) * out * (1 - out)",
        "delta = 2 * (out - y) * out * (1 + out)",
        "(a1 @ W2)",
        "HG102",
        "delta = 2 * (out - y) * out * (1 - out)",
    ),
    "delta rebinding2": (
        "delta rebinding",
        "delta = (delta @ W2.T) * a1 * (1 - a1)",
        "delta = (delta @ W2.T) * a1 * (1 - a1**2)",
        "(x @ W1)",
        None,
        None,
    ),
    "layer deltas": (
        "layer deltas",
        "l1_delta = l1_error * l1 * (1 - l1)",
        "l1_delta = l1_error * l2.mean() * (1 - l1)",
        "(x @ syn0)",
        "HG109",
        "l1_delta = l1 * (1 - l1) * l1_error",
    ),
    "relu inplace": (
        "relu inplace",
        "dh[h <= 0] = 0",
        "dh[dh <= 0] = 0",
        "(x @ W1)",
        "HG109",
        "dh[h <= 0] = 0",
    ),
    "relu inplace2": (
        "relu inplace",
        "dh = dz @ W2.T",
        "dh = dz @ W2.T * 2",
        "(x @ W1)",
        "HG106",
        "dh = z @ W2.T * 2",
    ),
    "rnn draw": (
        "rnn draw",
        "pre = grad * (1 - hs[t+1]**2)",
        "pre = grad * (1 - hs[t+1])",
        "(x[t] @ Wx + hs[-1] @ Wh)",
        "HG109",
        "pre = grad * (1 - hs[t + 1]**2)",
    ),
    "unnamed pre": (
        "unnamed pre",
        "t = p.clone(); t[range(6), y] -= 1; t /= 6",
        "t = p.clone(); t[range(6), y] -= 1",
        "(h @ V)",
        "HG120",
        "t /= (h @ V).shape[0]",
    ),
    "unnamed pre2": (
        "unnamed pre",
        "u = t @ V.T * (1 - h**2)",
        "u = t @ V.T * h",
        "(x @ W + b)",
        "HG109",
        "u = t @ V.T * (1 - h**2)",
    ),
}
"""A right program, its line, the line with a mistake, the node, cause and fix."""
