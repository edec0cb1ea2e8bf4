"""More layers: used twice, nested, with several inputs; all their gradients are right."""

PROGRAMS = {
    "layers dict grads": """
class Affine:
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [torch.zeros_like(W), torch.zeros_like(b)]
        self.x = None
    def forward(self, x):
        W, b = self.params
        out = x @ W + b
        self.x = x
        return out
    def backward(self, dout):
        W, b = self.params
        dx = dout @ W.T
        dW = self.x.T @ dout
        db = dout.sum(0)
        self.grads[0][...] = dW
        self.grads[1][...] = db
        return dx
class Sigmoid:
    def __init__(self):
        self.params, self.grads = [], []
    def forward(self, x):
        out = 1 / (1 + torch.exp(-x))
        self.out = out
        return out
    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
        return dx
class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t = t
        self.y = torch.softmax(x, 1)
        loss = -torch.log(self.y[torch.arange(len(t)), t]).mean()
        return loss
    def backward(self, dout=1):
        dx = self.y.clone()
        dx[torch.arange(len(self.t)), self.t] -= 1
        dx *= dout
        dx = dx / len(self.t)
        return dx
class SGD:
    def __init__(self, lr):
        self.lr = lr
    def update(self, params, grads):
        for i in range(len(params)):
            params[i] -= self.lr * grads[i]
first = Affine(torch.randn(2, 6), torch.zeros(6))
layers = [first, Sigmoid(), Affine(torch.randn(6, 3), torch.zeros(3))]
last = SoftmaxWithLoss()
params, grads = [], []
for layer in layers:
    params += layer.params
    grads += layer.grads
opt = SGD(0.5)
for epoch in range(4):
    x, t = torch.randn(8, 2), torch.randint(0, 3, (8,))
    for layer in layers:
        x = layer.forward(x)
    loss = last.forward(x, t)
    dout = last.backward()
    for layer in reversed(layers):
        dout = layer.backward(dout)
    opt.update(params, grads)
""",
    "shared layer": """
class Lin:
    def __init__(self, i, o):
        self.W = torch.randn(i, o) * 0.4
        self.dW = torch.zeros(i, o)
        self.saved = []
    def forward(self, x):
        self.saved.append(x)
        return x @ self.W
    def bprop(self, g):
        x = self.saved.pop()
        self.dW += x.T @ g
        return g @ self.W.T
class Act:
    def __init__(self): self.saved = []
    def forward(self, x):
        y = torch.sin(x)
        self.saved.append(x)
        return y
    def bprop(self, g):
        x = self.saved.pop()
        return g * torch.cos(x)
lin, act = Lin(5, 5), Act()
x = torch.randn(4, 5)
h = x
for _ in range(3):
    h = act.forward(lin.forward(h))
loss = (h**3).mean()
g = 3 * h**2 / h.numel()
for _ in range(3):
    g = lin.bprop(act.bprop(g))
""",
    "two inputs": """
class Mul:
    def forward(self, a, b):
        self.a, self.b = a, b
        return a * b
    def backward(self, d):
        return d * self.b, d * self.a
class Add:
    def forward(self, a, b):
        return a + b
    def backward(self, d):
        return d, d
class MatMul:
    def forward(self, a, b):
        self.a, self.b = a, b
        return a @ b
    def backward(self, d):
        return d @ self.b.T, self.a.T @ d
class Exp:
    def forward(self, x):
        self.y = x.exp()
        return self.y
    def backward(self, d):
        return d * self.y
m1, m2, gate, add, ex = MatMul(), MatMul(), Mul(), Add(), Exp()
x, W, U = torch.randn(5, 3), torch.randn(3, 4), torch.randn(3, 4)
a = m1.forward(x, W)
b = m2.forward(x, U)
e = ex.forward(b)
c = gate.forward(a, e)
s = add.forward(c, a)
loss = (s**2).mean()
ds = 2 * s / s.numel()
dc, da1 = add.backward(ds)
da2, de = gate.backward(dc)
db = ex.backward(de)
dx1, dW = m1.backward(da1 + da2)
dx2, dU = m2.backward(db)
dx = dx1 + dx2
""",
    "nested model": """
class Layer:
    def params(self): return []
class Lin(Layer):
    def __init__(self, i, o):
        self.w = torch.randn(i, o) * 0.5
        self.dw = None
    def __call__(self, x):
        self.x = x
        return x @ self.w
    def back(self, d):
        self.dw = self.x.t() @ d
        return d @ self.w.t()
class Block(Layer):
    def __init__(self, n):
        self.f, self.g = Lin(n, n), Lin(n, n)
    def __call__(self, x):
        self.h = torch.relu(self.f(x))
        return x + self.g(self.h)
    def back(self, d):
        inner = self.g.back(d)
        inner = inner * (self.h > 0)
        return d + self.f.back(inner)
class Model:
    def __init__(self):
        self.blocks = [Block(4), Block(4)]
        self.head = Lin(4, 2)
    def __call__(self, x):
        for b in self.blocks: x = b(x)
        return self.head(x)
    def back(self, d):
        d = self.head.back(d)
        for b in self.blocks[::-1]: d = b.back(d)
        return d
model = Model()
x, t = torch.randn(6, 4), torch.randn(6, 2)
out = model(x)
loss = ((out - t)**2).mean()
model.back(2 * (out - t) / out.numel())
""",
    "conv pool": """
class Conv:
    def __init__(self, ci, co, k):
        self.W = torch.randn(co, ci, k, k) * 0.3; self.b = torch.zeros(co); self.k = k
    def forward(self, x):
        n, c, h, w = x.shape
        self.shape = x.shape
        self.cols = F.unfold(x, self.k)
        kernel = self.W.reshape(len(self.W), -1)
        out = torch.einsum("ok,nkl->nol", kernel, self.cols) + self.b[:, None]
        return out.reshape(n, -1, h - self.k + 1, w - self.k + 1)
    def backward(self, dout):
        n, o = dout.shape[:2]
        d = dout.reshape(n, o, -1)
        self.dW = torch.einsum("nol,nkl->ok", d, self.cols).reshape(self.W.shape)
        self.db = d.sum((0, 2))
        dcols = torch.einsum("ok,nol->nkl", self.W.reshape(o, -1), d)
        return F.fold(dcols, self.shape[2:], self.k)
class AvgPool:
    def forward(self, x):
        self.shape = x.shape
        return x.mean((2, 3))
    def backward(self, dout):
        n, c, h, w = self.shape
        return dout[:, :, None, None].expand(n, c, h, w) / (h * w)
conv1, conv2, pool = Conv(2, 3, 3), Conv(3, 4, 2), AvgPool()
x, t = torch.randn(2, 2, 6, 6), torch.randn(2, 4)
h1 = conv1.forward(x); a1 = h1.clamp(min=0); h2 = conv2.forward(a1); y = pool.forward(h2)
loss = ((y - t)**2).sum()
dy = 2 * (y - t)
dh2 = pool.backward(dy); da1 = conv2.backward(dh2)
dh1 = da1 * (h1 > 0); dx = conv1.backward(dh1)
""",
    "network class": """
class Network:
    def __init__(self, d, h, o):
        self.W1, self.W2 = torch.randn(d, h), torch.randn(h, o)
        self.b1, self.b2 = torch.zeros(h), torch.zeros(o)
    def forward(self, X):
        self.Z1 = X @ self.W1 + self.b1
        self.A1 = torch.tanh(self.Z1)
        self.Z2 = self.A1 @ self.W2 + self.b2
        self.A2 = torch.sigmoid(self.Z2)
        return self.A2
    def backward(self, X, Y):
        m = X.shape[0]
        dZ2 = (self.A2 - Y) / m
        dW2 = self.A1.T @ dZ2
        db2 = dZ2.sum(0)
        dA1 = dZ2 @ self.W2.T
        dZ1 = dA1 * (1 - self.A1**2)
        dW1 = X.T @ dZ1
        db1 = dZ1.sum(0)
        return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
    def step(self, grads, lr):
        self.W1 -= lr * grads["dW1"]; self.b1 -= lr * grads["db1"]
        self.W2 -= lr * grads["dW2"]; self.b2 -= lr * grads["db2"]
net = Network(3, 5, 1)
X = torch.randn(10, 3); Y = (torch.rand(10, 1) > 0.5).float()
for i in range(3):
    A2 = net.forward(X)
    loss = -(Y * torch.log(A2) + (1 - Y) * torch.log(1 - A2)).sum() / len(Y)
    grads = net.backward(X, Y)
    net.step(grads, 0.1)
""",
}
