"""Programs that compute no loss. Each: how the loss is described, and the code, all right."""

NET = """\
X = torch.tensor([[0.,0,1],[0,1,1],[1,0,1],[1,1,1]]); y = torch.tensor([[0.],[1],[1],[0]])
synapse_0 = 2*torch.rand(3,4) - 1; synapse_1 = 2*torch.rand(4,1) - 1
for j in range(20):
    z1 = X @ synapse_0
    layer_1 = torch.sigmoid(z1)
    z2 = layer_1 @ synapse_1
    layer_2 = torch.sigmoid(z2)
    layer_2_error = y - layer_2
{printed}    dz2 = layer_2_error * layer_2 * (1 - layer_2)
    dlayer_1 = dz2 @ synapse_1.T
    dz1 = dlayer_1 * layer_1 * (1 - layer_1)
    d_synapse_1 = layer_1.T @ dz2
    d_synapse_0 = X.T @ dz1
    synapse_1 += d_synapse_1
    synapse_0 += d_synapse_0
"""
PRINTED = """\
    if j % 10 == 0:
        print("Error:" + str(torch.mean(torch.abs(layer_2_error))))
"""
PROGRAMS = {
    "targets minus outputs": ("squared error, times -1", NET.format(printed="")),
    "a printed number": ("squared error, times -1", NET.format(printed=PRINTED)),
    "softmax": (
        "cross-entropy, times 0.125",
        """\
x = torch.randn(8, 4); Y = F.one_hot(torch.randint(0, 3, (8,)), 3).float()
W = torch.randn(4, 3); b = torch.zeros(3)
for i in range(4):
    z = x @ W + b
    p = torch.exp(z) / torch.exp(z).sum(1, keepdim=True)
    dz = (p - Y) / 8
    dW = x.T @ dz
    db = dz.sum(0)
    W -= dW; b -= db
""",
    ),
    "softmax at the targets": (
        "cross-entropy, times 0.125",
        """\
x = torch.randn(8, 4); y = torch.randint(0, 3, (8,)); W = torch.randn(4, 3); b = torch.zeros(3)
for i in range(4):
    z = x @ W + b
    p = torch.softmax(z, 1)
    dz = p.clone()
    dz[range(8), y] -= 1
    dz /= 8
    dW = x.T @ dz
    db = dz.sum(0)
    W -= dW; b -= db
""",
    ),
    "sigmoid, a column for each example": (
        "binary cross-entropy, times 0.1",
        """\
X = torch.randn(4, 10); Y = (torch.rand(1, 10) > .5).float(); m = 10
W1 = torch.randn(5, 4); b1 = torch.zeros(5, 1); W2 = torch.randn(1, 5); b2 = torch.zeros(1, 1)
for i in range(3):
    Z1 = W1 @ X + b1
    A1 = torch.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = 1 / (1 + torch.exp(-Z2))
    dZ2 = A2 - Y
    dW2 = dZ2 @ A1.T / m
    db2 = dZ2.sum(1, keepdim=True) / m
    dZ1 = (W2.T @ dZ2) * (1 - A1**2)
    dW1 = dZ1 @ X.T / m
    db1 = dZ1.sum(1, keepdim=True) / m
    W1 = W1 - 0.5 * dW1; b1 = b1 - .5 * db1; W2 = W2 - .5 * dW2; b2 = b2 - .5 * db2
""",
    ),
    "no update": (
        "squared error, times 0.125",
        """\
x = torch.randn(8, 4); y = torch.randn(8, 2); W = torch.randn(4, 2); b = torch.zeros(2)
p = x @ W + b
dp = 2 * (p - y) / 16
dW = x.T @ dp
db = dp.sum(0)
""",
    ),
}
