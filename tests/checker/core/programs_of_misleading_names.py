"""Correct programs whose names mislead: of each, the code, and lines with a mistake in its place.

With a mistake come the lines to blame.
"""

XOR = """\
def sigmoid(x):
    return 1 / (1 + np.exp(-x))
def sigmoid_prime(s):
    return s * (1 - s)
X = np.random.randn(6, 2); Y = np.random.rand(6, 1)
W1 = np.random.randn(2, 3); W2 = np.random.randn(3, 1)
hidden = sigmoid(X @ W1)
output = sigmoid(hidden @ W2)
loss = 0.5 * np.sum((output - Y) ** 2)
d_output = (output - Y) * sigmoid_prime(output)
d_hidden = d_output @ W2.T * sigmoid_prime(hidden)
grad_W2 = hidden.T @ d_output
grad_W1 = X.T @ d_hidden
"""
LAST_STEP = """\
x = np.random.randn(3, 4, 2); h0 = np.random.randn(3, 5)
Wx = np.random.randn(2, 5); Wh = np.random.randn(5, 5) * 0.5; b = np.random.randn(5)
h = np.zeros((3, 4, 5))
prev = h0
for t in range(4):
    prev = np.tanh(x[:, t] @ Wx + prev @ Wh + b)
    h[:, t] = prev
loss = np.sum(h**2)
dout = 2 * h
dx = np.zeros_like(x)
dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
dprev = np.zeros((3, 5))
for t in reversed(range(4)):
    dcur = dout[:, t] + dprev
    draw = dcur * (1 - h[:, t] ** 2)
    before = h[:, t - 1] if t > 0 else h0
    dx[:, t] = draw @ Wx.T
    dWx += x[:, t].T @ draw
    dWh += before.T @ draw
    db += draw.sum(axis=0)
    dprev = draw @ Wh.T
dh0 = dprev
"""
ROWS = """\
U = np.random.randn(4, 3); W = np.random.randn(4, 4) * 0.5; V = np.random.randn(2, 4)
seq = np.random.randn(5, 3); goal = np.random.randn(5, 2)
s = np.zeros((6, 4)); o = np.zeros((5, 2))
for t in range(5):
    s[t + 1] = np.tanh(U @ seq[t] + W @ s[t])
    o[t] = V @ s[t + 1]
loss = 0.5 * np.sum((o - goal) ** 2)
dU, dW, dV = np.zeros(U.shape), np.zeros(W.shape), np.zeros(V.shape)
delta_o = o - goal
ds = np.zeros(4)
for t in range(5)[::-1]:
    dV += np.outer(delta_o[t], s[t + 1])
    ds = ds + V.T @ delta_o[t]
    dz = ds * (1 - s[t + 1] ** 2)
    dU += np.outer(dz, seq[t])
    dW += np.outer(dz, s[t])
    ds = W.T @ dz
"""
NEXT = """\
xs = torch.randn(4, 3); target = torch.randn(4, 2)
Wx = torch.randn(3, 5); Wh = torch.randn(5, 5) * 0.5; Wy = torch.randn(5, 2)
hs = {-1: torch.zeros(5)}; ys = {}; loss = 0
for t in range(4):
    hs[t] = torch.tanh(xs[t] @ Wx + hs[t - 1] @ Wh)
    ys[t] = hs[t] @ Wy
    loss = loss + ((ys[t] - target[t]) ** 2).sum()
dWx, dWh, dWy = torch.zeros_like(Wx), torch.zeros_like(Wh), torch.zeros_like(Wy)
dhnext = torch.zeros(5)
for t in reversed(range(4)):
    dy = 2 * (ys[t] - target[t])
    dWy += torch.outer(hs[t], dy)
    dh = dy @ Wy.T + dhnext
    draw = (1 - hs[t] ** 2) * dh
    dWx += torch.outer(xs[t], draw)
    dWh += torch.outer(hs[t - 1], draw)
    dhnext = draw @ Wh.T
"""
FORWARD_AGAIN = """\
class Net:
    def __init__(self):
        self.W1 = np.random.randn(4, 6); self.W2 = np.random.randn(6, 2)
    def forward(self, X):
        self.z1 = X @ self.W1
        self.a1 = np.tanh(self.z1)
        return self.a1 @ self.W2
    def loss(self, X, y):
        return np.mean((self.forward(X) - y) ** 2)
    def backward(self, X, y):
        out = self.forward(X)
        dout = 2 * (out - y) / out.size
        self.dW2 = self.a1.T @ dout
        dz1 = dout @ self.W2.T * (1 - self.a1**2)
        self.dW1 = X.T @ dz1
net = Net()
X, y = np.random.randn(8, 4), np.random.randn(8, 2)
loss = net.loss(X, y)
net.backward(X, y)
"""
RIGHT = {"delta at the layer": XOR, "last step": LAST_STEP, "rows": ROWS, "next": NEXT,
         "forward run again": FORWARD_AGAIN}  # fmt: skip
MISTAKES = [
    ("forward run again", "dz1 = dout @ self.W2.T * (1 - self.a1**2)", "dz1 = dout @ self.W2.T"),
    ("delta at the layer", "d_output @ W2.T * sigmoid_prime(hidden)", "d_output @ W2.T * hidden"),
    ("last step", "dprev = draw @ Wh.T", "dprev = draw @ Wh"),
    ("last step", "db += draw.sum(axis=0)", "db = draw.sum(axis=0)"),
    ("last step", "draw = dcur * (1 - h[:, t] ** 2)", "draw = dcur * (1 - h[:, t])"),
    ("rows", "dV += np.outer(delta_o[t], s[t + 1])", "dV += np.outer(delta_o[t], s[t])"),
    ("rows", "dz = ds * (1 - s[t + 1] ** 2)", "dz = ds * (1 - s[t] ** 2)"),
    ("next", "dhnext = draw @ Wh.T", "dhnext = draw @ Wh"),
    ("next", "dh = dy @ Wy.T + dhnext", "dh = dy @ Wy.T"),
    ("next", "dWh += torch.outer(hs[t - 1], draw)", "dWh += torch.outer(hs[t], draw)"),
]
