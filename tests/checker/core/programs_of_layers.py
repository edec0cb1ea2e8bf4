"""Layers as classes and pairs of functions; all their gradients are right."""

PROGRAMS = {
    "call modules": """
class Module:
    def __call__(self, *args):
        return self.forward(*args)
class Dense(Module):
    def __init__(self, n_in, n_out):
        self.weight = torch.randn(n_in, n_out) * 0.3
        self.bias = torch.randn(n_out) * 0.1
    def forward(self, inp):
        self.inp = inp
        return inp @ self.weight + self.bias
    def backward(self, grad_output):
        self.weight_grad = self.inp.T @ grad_output
        self.bias_grad = grad_output.sum(0)
        return grad_output @ self.weight.T
class ReLU(Module):
    def forward(self, inp):
        self.mask = inp > 0
        return inp * self.mask
    def backward(self, grad_output):
        return grad_output * self.mask
class Sigmoid(Module):
    def forward(self, inp):
        self.out = torch.sigmoid(inp)
        return self.out
    def backward(self, grad_output):
        return grad_output * self.out * (1 - self.out)
class Sequential(Module):
    def __init__(self, *layers):
        self.layers = layers
    def forward(self, inp):
        for layer in self.layers:
            inp = layer(inp)
        return inp
    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad
class MSE(Module):
    def forward(self, pred, target):
        self.diff = pred - target
        return (self.diff**2).mean()
    def backward(self):
        return 2 * self.diff / self.diff.numel()
net = Sequential(Dense(4, 7), ReLU(), Dense(7, 5), Sigmoid(), Dense(5, 2))
crit = MSE()
X, Y = torch.randn(9, 4), torch.randn(9, 2)
loss = crit(net(X), Y)
net.backward(crit.backward())
""",
    "cs231n": """
def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1) @ w + b
    cache = (x, w, b)
    return out, cache
def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T @ dout
    db = dout.sum(0)
    return dx, dw, db
def relu_forward(x):
    out = x.clamp(min=0)
    cache = x
    return out, cache
def relu_backward(dout, cache):
    x = cache
    return dout * (x > 0)
def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)
def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    return affine_backward(da, fc_cache)
def softmax_loss(x, y):
    logp = x - x.logsumexp(1, keepdim=True)
    loss = -logp[torch.arange(len(y)), y].mean()
    dx = logp.exp()
    dx[torch.arange(len(y)), y] -= 1
    dx = dx / len(y)
    return loss, dx
class TwoLayerNet:
    def __init__(self, d=12, h=10, c=4):
        self.params = {"W1": torch.randn(d, h), "b1": torch.zeros(h),
                       "W2": torch.randn(h, c), "b2": torch.zeros(c)}
        self.reg = 0.1
    def loss(self, X, y):
        p = self.params
        h, c1 = affine_relu_forward(X, p["W1"], p["b1"])
        scores, c2 = affine_forward(h, p["W2"], p["b2"])
        data_loss, dscores = softmax_loss(scores, y)
        squares = (p["W1"]**2).sum() + (p["W2"]**2).sum()
        loss = data_loss + 0.5 * self.reg * squares
        grads = {}
        dh, grads["W2"], grads["b2"] = affine_backward(dscores, c2)
        dX, grads["W1"], grads["b1"] = affine_relu_backward(dh, c1)
        grads["W1"] += self.reg * p["W1"]
        grads["W2"] += self.reg * p["W2"]
        return loss, grads
net = TwoLayerNet()
X, y = torch.randn(6, 3, 4), torch.randint(0, 4, (6,))
loss, grads = net.loss(X, y)
for k in net.params:
    net.params[k] -= 0.1 * grads[k]
""",
    "function pairs": """
def linear(x, w): return x @ w
def linear_grad(dout, x, w): return dout @ w.T, x.T @ dout
def softplus(x): return torch.log(1 + torch.exp(x))
def softplus_grad(dout, x): return dout * torch.sigmoid(x)
def mse(y_pred, y_true): return ((y_pred - y_true)**2).mean()
def mse_prime(y_pred, y_true): return 2 * (y_pred - y_true) / y_true.numel()
W1, W2 = torch.randn(4, 6), torch.randn(6, 2)
X, Y = torch.randn(8, 4), torch.randn(8, 2)
z1 = linear(X, W1)
a1 = softplus(z1)
z2 = linear(a1, W2)
loss = mse(z2, Y)
d = mse_prime(z2, Y)
d, g2 = linear_grad(d, a1, W2)
d = softplus_grad(d, z1)
_, g1 = linear_grad(d, X, W1)
""",
    "batchnorm layer": """
class BatchNorm:
    def __init__(self, n):
        self.gamma, self.beta = torch.ones(n) * 1.3, torch.zeros(n)
        self.grads = {}
    def forward(self, x):
        self.mu = x.mean(0)
        self.var = ((x - self.mu)**2).mean(0)
        self.std = torch.sqrt(self.var + 1e-5)
        self.xhat = (x - self.mu) / self.std
        return self.gamma * self.xhat + self.beta
    def backward(self, dy):
        self.grads["gamma"] = (dy * self.xhat).sum(0)
        self.grads["beta"] = dy.sum(0)
        n = len(dy)
        dxhat = dy * self.gamma
        centred = n * dxhat - dxhat.sum(0) - self.xhat * (dxhat * self.xhat).sum(0)
        return centred / (n * self.std)
class Linear:
    def __init__(self, i, o):
        self.w = torch.randn(i, o); self.grads = {}
    def forward(self, x):
        self.x = x
        return x @ self.w
    def backward(self, dy):
        self.grads["w"] = self.x.T @ dy
        return dy @ self.w.T
lin, bn, out = Linear(4, 6), BatchNorm(6), Linear(6, 2)
X, Y = torch.randn(9, 4), torch.randn(9, 2)
h1 = lin.forward(X); h2 = bn.forward(h1); h3 = out.forward(h2)
loss = ((h3 - Y)**2).mean()
d3 = 2 * (h3 - Y) / h3.numel()
d2 = out.backward(d3); d1 = bn.backward(d2); d0 = lin.backward(d1)
""",
    "rnn cell": """
class RNNCell:
    def __init__(self, d, h):
        self.Wx, self.Wh, self.b = torch.randn(d, h), torch.randn(h, h) * 0.3, torch.zeros(h)
        self.dWx, self.dWh, self.db = torch.zeros(d, h), torch.zeros(h, h), torch.zeros(h)
        self.cache = []
    def forward(self, x, h_prev):
        h_next = torch.tanh(x @ self.Wx + h_prev @ self.Wh + self.b)
        self.cache.append((x, h_prev, h_next))
        return h_next
    def backward(self, dh_next):
        x, h_prev, h_next = self.cache.pop()
        dt = dh_next * (1 - h_next**2)
        self.dWx += x.T @ dt
        self.dWh += h_prev.T @ dt
        self.db += dt.sum(0)
        return dt @ self.Wx.T, dt @ self.Wh.T
cell = RNNCell(3, 4)
V = torch.randn(4, 2)
xs = torch.randn(5, 6, 3)
h = torch.zeros(6, 4)
hs = []
for t in range(5):
    h = cell.forward(xs[t], h)
    hs.append(h)
out = hs[-1] @ V
loss = (out**2).mean()
dout = 2 * out / out.numel()
dV = hs[-1].T @ dout
dh = dout @ V.T
for t in reversed(range(5)):
    dx, dh = cell.backward(dh)
""",
}
