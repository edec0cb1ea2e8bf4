"""Forward passes in several hands, each with the gradients that its causes' cases begin from."""

CROSS_ENTROPY = """\
torch.manual_seed(0)
n, V = 6, 5
x = torch.randn(n, 4)
W = torch.randn(4, V, requires_grad=True)
y = torch.tensor([1, 0, 3, 3, 4, 2])
logits = x @ W
loss = F.cross_entropy(logits, y)
"""

STEPWISE_LOSS = """\
torch.manual_seed(1)
N, K = 8, 6
z = torch.randn(N, K, dtype=torch.float64, requires_grad=True)
target = torch.randint(0, K, (N,))
scores = z - z.amax(dim=1, keepdim=True)
e = torch.exp(scores)
total = torch.sum(e, dim=1, keepdim=True)
p = e / total
loss = -torch.log(p[torch.arange(N), target]).mean()
"""

BATCHNORM = """\
torch.manual_seed(0)
n, H = 7, 5
x = torch.randn(n, 4)
W = torch.randn(4, H, requires_grad=True)
g = (torch.rand(1, H) + 0.5).requires_grad_()
b = torch.randn(1, H)
up = torch.randn(n, H)
hprebn = x @ W
bnmeani = hprebn.mean(0, keepdim=True)
bndiff = hprebn - bnmeani
bnvar = (bndiff**2).sum(0, keepdim=True) / (n - 1)
bnvar_inv = (bnvar + 1e-5)**-0.5
bnraw = bndiff * bnvar_inv
hpreact = g * bnraw + b
loss = (hpreact * up).sum()
dhpreact = up
"""

TORCH_BATCHNORM = """\
torch.manual_seed(0)
m, C = 9, 4
a = torch.randn(m, C, dtype=torch.float64, requires_grad=True)
gamma = torch.rand(C, dtype=torch.float64) + 0.5
gamma.requires_grad = True
upstream = torch.randn(m, C, dtype=torch.float64)
out = F.batch_norm(a, None, None, weight=gamma, training=True)
loss = torch.sum(out * upstream)
dout = upstream
std_inv = 1 / torch.sqrt(a.var(dim=0, unbiased=False) + 1e-5)
ahat = (a - a.mean(dim=0)) * std_inv
"""

LAYERNORM = """\
torch.manual_seed(0)
B, T, C = 2, 5, 6
x = torch.randn(B, T, C, requires_grad=True)
w = (torch.rand(C) + 0.5).requires_grad_()
b = torch.randn(C, requires_grad=True)
up = torch.randn(B, T, C)
mean = x.mean(-1, keepdim=True)
xc = x - mean
rstd = ((xc**2).mean(-1, keepdim=True) + 1e-5)**-0.5
xhat = xc * rstd
out = xhat * w + b
loss = (out * up).sum()
dout = up
"""

TORCH_LAYERNORM = """\
torch.manual_seed(0)
B, C = 5, 6
x = torch.randn(B, C, dtype=torch.float64, requires_grad=True)
weight = (torch.rand(C, dtype=torch.float64) + 0.5).requires_grad_()
up = torch.randn(B, C, dtype=torch.float64)
out = F.layer_norm(x, (C,), weight=weight)
loss = (out * up).sum()
dout = up
rstd = (x.var(dim=-1, keepdim=True, unbiased=False) + 1e-5)**-0.5
xhat = (x - x.mean(dim=-1, keepdim=True)) * rstd
dxhat = weight * dout
"""

TORCH_RMSNORM = """\
torch.manual_seed(0)
B, C = 5, 6
x = torch.randn(B, C, dtype=torch.float64, requires_grad=True)
up = torch.randn(B, C, dtype=torch.float64)
out = F.rms_norm(x, (C,), eps=1e-5)
loss = (out * up).sum()
dout = up
rms = ((x**2).mean(-1, keepdim=True) + 1e-5)**0.5
"""

ATTENTION = """\
torch.manual_seed(0)
B, T, d = 2, 5, 6
q = torch.randn(B, T, d, requires_grad=True)
k = torch.randn(B, T, d, requires_grad=True)
v = torch.randn(B, T, d, requires_grad=True)
up = torch.randn(B, T, d)
mask = torch.tril(torch.ones(T, T))
scores = q @ k.transpose(-2, -1) / d**0.5
masked = scores.masked_fill(mask == 0, float("-inf"))
att = F.softmax(masked, dim=-1)
out = att @ v
loss = (out * up).sum()
dout = up
datt = dout @ v.transpose(-2, -1)
"""

GATED = """\
torch.manual_seed(0)
T = 5
s = torch.randn(3, T, T, requires_grad=True)
up = torch.randn(3, T, T)
lower = torch.tril(torch.ones(T, T))
gate = torch.sigmoid(s).masked_fill(lower == 0, 0.0)
loss = (gate * up).sum()
dgate = up
"""

RNN = """\
torch.manual_seed(0)
T, n, E, H = 4, 3, 5, 6
xs = torch.randn(T, n, E)
Wx = torch.randn(E, H, requires_grad=True)
Wh = (torch.randn(H, H) * 0.3).requires_grad_()
up = torch.randn(n, H)
hs = {-1: torch.zeros(n, H)}
for t in range(T):
    hs[t] = torch.tanh(xs[t] @ Wx + hs[t - 1] @ Wh)
loss = (hs[T - 1] * up).sum()
dWx = torch.zeros_like(Wx)
dWh = torch.zeros_like(Wh)
dh = up
"""

EMBEDDING = """\
torch.manual_seed(0)
vocab, width = 6, 3
table = torch.randn(vocab, width, requires_grad=True)
tokens = torch.tensor([[0, 2, 2], [5, 0, 2]])
up = torch.randn(2, 3, width)
vectors = F.embedding(tokens, table)
loss = (vectors * up).sum()
dvectors = up
"""

TIED = """\
torch.manual_seed(0)
vocab, width = 5, 3
E = torch.randn(vocab, width, requires_grad=True)
ids = torch.tensor([0, 2, 2, 4])
up = torch.randn(4, vocab)
h = E[ids]
logits = h @ E.T
loss = (logits * up).sum()
dlogits = up
dh = dlogits @ E
"""

CORNERS = """\
torch.manual_seed(0)
a = torch.tensor([[1.0, 0.0, -2.0, 3.0], [0.0, 3.0, 3.0, -1.0], [2.0, 2.0, 2.0, 0.5]])
a.requires_grad = True
up = torch.randn(3, 4)
"""

RESIDUAL = """\
torch.manual_seed(0)
x = torch.randn(4, 3, requires_grad=True)
w = torch.randn(3, 3, requires_grad=True)
up = torch.randn(4, 3)
u = x * 1.5
branch = torch.tanh(u @ w)
out = u + branch
loss = (out * up).sum()
dout = up
dbranch = dout
"""

NETWORK = """\
torch.manual_seed(0)
n = 8
x = torch.randn(n, 5)
y = torch.randint(0, 4, (n,))
W = (torch.randn(5, 6) * 0.5).requires_grad_()
V = (torch.randn(6, 4) * 0.5).requires_grad_()
z = x @ W
m = z.mean(0, keepdim=True)
c = z - m
c2 = c**2
v = c2.mean(0, keepdim=True)
s = (v + 1e-5) ** -0.5
h = c * s
logits = h @ V
loss = F.cross_entropy(logits, y)
loss.backward()
"""
TOP = "dlogits = (F.softmax(logits, 1) - F.one_hot(y, 4)) / n\n"
NORM = """\
dh = dlogits @ V.T
dc = s * dh
ds = (c * dh).sum(0, keepdim=True)
dv = -0.5 * (v + 1e-5) ** -1.5 * ds
dc2 = torch.ones_like(c2) / n * dv
"""

GAINED = """\
torch.manual_seed(0)
x = torch.randn(8, 6)
W = (torch.randn(6, 6) * 0.5).requires_grad_()
gain = torch.randn(6).requires_grad_()
bias = torch.randn(6).requires_grad_()
V = (torch.randn(6, 6) * 0.5).requires_grad_()
a = x @ W
y = a * gain + bias
out = torch.tanh(y) @ V
loss = (out**2).mean()
loss.backward()
dout = 2 * out / out.numel()
dy = (1 - torch.tanh(y) ** 2) * (dout @ V.T)
"""

SCALED = """\
torch.manual_seed(0)
x = torch.randn(64, 5)
W = (torch.randn(5, 6) * 0.5).requires_grad_()
V = (torch.randn(6, 4) * 0.5).requires_grad_()
z = x @ W
v = z.var(0, keepdim=True)
s = (v + 1e-5) ** -0.5
h = z * s
out = h @ V
loss = (out**2).mean()
loss.backward()
dout = 2 * out / out.numel()
dh = dout @ V.T
ds = (dh * z).sum(0, keepdim=True)
"""
