"""Gradients with a factor that the file keeps. Each: the factor's note, and the code, all right."""

MAKES_UP = "and the gradients of the parameters make up for it"
RATE = "a factor that all have only changes the learning rate, so they are judged with it."

PROGRAMS = {
    "m times in a loop": (
        f"dZ2 and dZ1 are 10 times the gradients of Z2 and Z1, {MAKES_UP}: they are judged with "
        "that factor.",
        """\
X = torch.randn(4, 10); Y = (torch.rand(1, 10) > 0.5).float(); m = X.shape[1]
W1 = torch.randn(5, 4); b1 = torch.zeros(5, 1); W2 = torch.randn(1, 5); b2 = torch.zeros(1, 1)
for i in range(3):
    Z1 = W1 @ X + b1
    A1 = torch.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = torch.sigmoid(Z2)
    cost = -(Y * torch.log(A2) + (1 - Y) * torch.log(1 - A2)).sum() / m
    dZ2 = A2 - Y
    dW2 = dZ2 @ A1.T / m
    db2 = dZ2.sum(1, keepdim=True) / m
    dZ1 = (W2.T @ dZ2) * (1 - A1**2)
    dW1 = dZ1 @ X.T / m
    db1 = dZ1.sum(1, keepdim=True) / m
    W1 = W1 - 0.5 * dW1; b1 = b1 - 0.5 * db1; W2 = W2 - 0.5 * dW2; b2 = b2 - 0.5 * db2
""",
    ),
    "m times, with the gradient of the data": (
        f"dA2, dZ2, dA1, dZ1 and dX are 10 times the gradients of A2, Z2, A1, Z1 and X, {MAKES_UP}"
        ": they are judged with that factor.",
        """\
X = torch.randn(4, 10); Y = (torch.rand(1, 10) > 0.5).float(); m = X.shape[1]
W1 = torch.randn(5, 4); b1 = torch.zeros(5, 1); W2 = torch.randn(1, 5); b2 = torch.zeros(1, 1)
Z1 = W1 @ X + b1
A1 = torch.relu(Z1)
Z2 = W2 @ A1 + b2
A2 = torch.sigmoid(Z2)
loss = -(Y * torch.log(A2) + (1 - Y) * torch.log(1 - A2)).mean()
dA2 = -(Y / A2 - (1 - Y) / (1 - A2))
dZ2 = dA2 * A2 * (1 - A2)
dW2 = 1 / m * dZ2 @ A1.T
db2 = 1 / m * dZ2.sum(1, keepdim=True)
dA1 = W2.T @ dZ2
dZ1 = dA1 * (Z1 > 0)
dW1 = 1 / m * dZ1 @ X.T
db1 = 1 / m * dZ1.sum(1, keepdim=True)
dX = W1.T @ dZ1
""",
    ),
    "n times, beside backward()": (
        f"dz is 8 times the gradient of z, {MAKES_UP}: it is judged with that factor.",
        """\
x = torch.randn(8, 4); y = torch.randint(0, 3, (8,))
W = torch.randn(4, 3, requires_grad=True); b = torch.randn(3, requires_grad=True)
z = x @ W + b
loss = F.cross_entropy(z, y); loss.backward()
dz = torch.softmax(z, 1) - F.one_hot(y, 3)
dW = x.T @ dz / 8
db = dz.mean(0)
""",
    ),
    "n times, in a dictionary": (
        f"dz2 and dz1 are 8 times the gradients of z2 and z1, {MAKES_UP}: they are judged with "
        "that factor.",
        """\
x = torch.randn(8, 4); y = torch.randint(0, 3, (8,))
params = {"W1": torch.randn(4, 6), "b1": torch.zeros(6), "W2": torch.randn(6, 3)}
z1 = x @ params["W1"] + params["b1"]
a1 = torch.tanh(z1)
z2 = a1 @ params["W2"]
a2 = torch.softmax(z2, 1)
loss = -torch.log(a2[range(8), y]).mean()
grads = {}
dz2 = a2.clone(); dz2[range(8), y] -= 1
grads["W2"] = a1.T @ dz2 / 8
dz1 = dz2 @ params["W2"].T * (1 - a1 ** 2)
grads["W1"] = x.T @ dz1 / 8
grads["b1"] = dz1.mean(0)
""",
    ),
    "half, with weight decay": (
        f"dp is 0.5 times the gradient of p, {MAKES_UP}: it is judged with that factor.",
        """\
x = torch.randn(8, 4); y = torch.randn(8, 3); W = torch.randn(4, 3); b = torch.zeros(3)
p = x @ W + b
loss = ((p - y)**2).sum() + 0.1 * (W**2).sum()
dp = p - y
dW = 2 * x.T @ dp + 0.2 * W
db = 2 * dp.sum(0)
""",
    ),
    "a printed mean": (
        f"the gradients are 16 times those of loss: {RATE}",
        """\
x = torch.randn(8, 4); y = torch.randn(8, 2); W1 = torch.randn(4, 5); W2 = torch.randn(5, 2)
for e in range(5):
    z = x @ W1
    h = torch.relu(z)
    p = h @ W2
    loss = ((p - y)**2).mean()
    print(loss.item())
    dp = 2 * (p - y)
    dW2 = h.T @ dp
    dh = dp @ W2.T
    dz = dh * (z > 0)
    dW1 = x.T @ dz
    W1 -= 1e-3 * dW1; W2 -= 1e-3 * dW2
""",
    ),
    "minus the gradients, added": (
        "the gradients are -1 times those of loss, and the update adds them: " + RATE,
        """\
x = torch.randn(8, 4); y = torch.randn(8, 2); W1 = torch.randn(4, 5); W2 = torch.randn(5, 2)
for e in range(5):
    h = torch.sigmoid(x @ W1)
    z = h @ W2
    p = torch.sigmoid(z)
    loss = ((y - p)**2).sum() / 2
    dp = y - p
    dz = dp * p * (1 - p)
    dW2 = h.T @ dz
    dh = dz @ W2.T
    dW1 = x.T @ (dh * h * (1 - h))
    W1 = W1 + 0.1 * dW1; W2 = W2 + 0.1 * dW2
""",
    ),
}  # fmt: skip
