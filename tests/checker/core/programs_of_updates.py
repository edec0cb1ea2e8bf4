"""Gradients that only an update shows, or a list or an attribute; all of them are right."""

PROGRAMS = {
    "list net": """
sizes = [5, 8, 6, 3]
weights = [torch.randn(a, b) * 0.4 for a, b in zip(sizes[:-1], sizes[1:])]
biases = [torch.zeros(b) for b in sizes[1:]]
x, y = torch.randn(7, 5), torch.randn(7, 3)
def sigmoid(z): return 1 / (1 + torch.exp(-z))
def sigmoid_prime(z): return sigmoid(z) * (1 - sigmoid(z))
activation = x
activations, zs = [x], []
for w, b in zip(weights, biases):
    z = activation @ w + b
    zs.append(z)
    activation = sigmoid(z)
    activations.append(activation)
cost = 0.5 * ((activations[-1] - y)**2).sum()
nabla_w = [torch.zeros_like(w) for w in weights]
nabla_b = [torch.zeros_like(b) for b in biases]
delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
nabla_b[-1] = delta.sum(0)
nabla_w[-1] = activations[-2].T @ delta
for l in range(2, len(sizes)):
    delta = (delta @ weights[-l + 1].T) * sigmoid_prime(zs[-l])
    nabla_b[-l] = delta.sum(0)
    nabla_w[-l] = activations[-l - 1].T @ delta
for w, b, nw, nb in zip(weights, biases, nabla_w, nabla_b):
    w -= 0.1 * nw
    b -= 0.1 * nb
""",
    "unnamed update": """
W1, W2 = torch.randn(4, 6), torch.randn(6, 2)
X, Y = torch.randn(8, 4), torch.randn(8, 2)
lr = 0.01
for step in range(3):
    h = torch.tanh(X @ W1)
    out = h @ W2
    loss = ((out - Y)**2).sum()
    err = 2 * (out - Y)
    hidden_err = (err @ W2.T) * (1 - h**2)
    W2 -= lr * (h.T @ err)
    W1 -= lr * (X.T @ hidden_err)
""",
    "zip params": """
W, b, V = torch.randn(4, 6), torch.zeros(6), torch.randn(6, 2)
X, Y = torch.randn(8, 4), torch.randn(8, 2)
def compute(X, Y):
    h = torch.relu(X @ W + b)
    out = h @ V
    loss = ((out - Y)**2).mean()
    e = 2 * (out - Y) / out.numel()
    gv = h.T @ e
    e = (e @ V.T) * (h > 0)
    return loss, [X.T @ e, e.sum(0), gv]
params = [W, b, V]
for it in range(3):
    loss, grads = compute(X, Y)
    for p, g in zip(params, grads):
        p -= 0.1 * g
""",
    "p grad by hand": """
class Param:
    def __init__(self, data):
        self.data, self.grad = data, torch.zeros_like(data)
class Linear:
    def __init__(self, i, o):
        self.W, self.b = Param(torch.randn(i, o) * 0.5), Param(torch.zeros(o))
    def params(self): return [self.W, self.b]
    def forward(self, x):
        self.x = x
        return x @ self.W.data + self.b.data
    def backward(self, dy):
        self.W.grad += self.x.T @ dy
        self.b.grad += dy.sum(dim=0)
        return dy @ self.W.data.T
l1, l2 = Linear(3, 5), Linear(5, 2)
x, t = torch.randn(6, 3), torch.randn(6, 2)
for step in range(2):
    for p in l1.params() + l2.params(): p.grad.zero_()
    h = l1.forward(x)
    r = h.clamp(min=0)
    y = l2.forward(r)
    loss = 0.5 * ((y - t)**2).sum()
    g = l2.backward(y - t)
    g = g * (h > 0)
    l1.backward(g)
    for p in l1.params() + l2.params(): p.data -= 0.01 * p.grad
""",
    "torch p grad": """
W = torch.nn.Parameter(torch.randn(4, 3)); b = torch.nn.Parameter(torch.zeros(3))
X, y = torch.randn(10, 4), torch.randint(0, 3, (10,))
opt = torch.optim.SGD([W, b], lr=0.1)
for step in range(3):
    with torch.no_grad():
        z = X @ W + b
        p = torch.softmax(z, 1)
        loss = -torch.log(p[torch.arange(10), y]).mean()
        err = p.clone()
        err[torch.arange(10), y] -= 1
        err /= 10
        W.grad = X.T @ err
        b.grad = err.sum(0)
    opt.step()
""",
    "german": """
class Schicht:
    def __init__(self, ein, aus):
        self.gewichte = torch.randn(ein, aus); self.schwelle = torch.zeros(aus)
    def vorwaerts(self, eingabe):
        self.eingabe = eingabe
        self.ausgabe = torch.tanh(eingabe @ self.gewichte + self.schwelle)
        return self.ausgabe
    def rueckwaerts(self, fehler, rate):
        lokal = fehler * (1 - self.ausgabe**2)
        zurueck = lokal @ self.gewichte.T
        self.gewichte -= rate * self.eingabe.T @ lokal
        self.schwelle -= rate * lokal.sum(0)
        return zurueck
schichten = [Schicht(3, 6), Schicht(6, 2)]
x, ziel = torch.randn(5, 3), torch.randn(5, 2)
a = x
for s in schichten: a = s.vorwaerts(a)
loss = ((a - ziel)**2).sum()
f = 2 * (a - ziel)
for s in reversed(schichten): f = s.rueckwaerts(f, 0.01)
""",
}
