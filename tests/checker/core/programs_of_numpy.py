"""Programs in NumPy. Each: its gradients by hand, all of them right, and its code."""

PROGRAMS = {
    "two layers": (
        "dW1 dW2 db1 db2 dh dscores dz1",
        """\
X = np.random.randn(8, 5)
y = np.random.randint(0, 3, 8)
W1 = np.random.randn(5, 4) * 0.5
b1 = np.zeros(4)
W2 = np.random.randn(4, 3) * 0.5
b2 = np.zeros(3)

z1 = X.dot(W1) + b1
h = np.maximum(0, z1)
scores = h @ W2 + b2
scores -= np.max(scores, axis=1, keepdims=True)
e = np.exp(scores)
probs = e / np.sum(e, axis=1, keepdims=True)
loss = -np.mean(np.log(probs[np.arange(8), y]))

dscores = probs.copy()
dscores[np.arange(8), y] -= 1
dscores /= 8
dW2 = h.T.dot(dscores)
db2 = np.sum(dscores, axis=0)
dh = dscores @ W2.T
dz1 = dh * (z1 > 0)
dW1 = X.T.dot(dz1)
db1 = dz1.sum(axis=0)
""",
    ),
    "class with a dictionary of gradients": (
        "dhidden dscores grads['W1'] grads['W2'] grads['b1'] grads['b2']",
        """\
class TwoLayerNet(object):
  def __init__(self, input_size, hidden_size, output_size, std=1e-1):
    self.params = {}
    self.params['W1'] = std * np.random.randn(input_size, hidden_size)
    self.params['b1'] = np.zeros(hidden_size)
    self.params['W2'] = std * np.random.randn(hidden_size, output_size)
    self.params['b2'] = np.zeros(output_size)

  def loss(self, X, y=None, reg=0.0):
    W1, b1 = self.params['W1'], self.params['b1']
    W2, b2 = self.params['W2'], self.params['b2']
    N, D = X.shape
    z1 = X.dot(W1) + b1
    a1 = np.maximum(0, z1)
    scores = a1.dot(W2) + b2
    if y is None:
      return scores
    scores_max = np.max(scores, axis=1, keepdims=True)
    exp_scores = np.exp(scores - scores_max)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    correct_logprobs = -np.log(probs[range(N), y])
    data_loss = np.sum(correct_logprobs) / N
    reg_loss = 0.5 * reg * np.sum(W1 * W1) + 0.5 * reg * np.sum(W2 * W2)
    loss = data_loss + reg_loss
    grads = {}
    dscores = probs
    dscores[range(N), y] -= 1
    dscores /= N
    grads['W2'] = np.dot(a1.T, dscores) + reg * W2
    grads['b2'] = np.sum(dscores, axis=0)
    dhidden = np.dot(dscores, W2.T)
    dhidden[a1 <= 0] = 0
    grads['W1'] = np.dot(X.T, dhidden) + reg * W1
    grads['b1'] = np.sum(dhidden, axis=0)
    return loss, grads

  def train(self, X, y, learning_rate=1e-1, num_iters=20, batch_size=4, verbose=False):
    num_train = X.shape[0]
    loss_history = []
    for it in range(num_iters):
      idx = np.random.choice(num_train, batch_size, replace=True)
      X_batch = X[idx]
      y_batch = y[idx]
      loss, grads = self.loss(X_batch, y=y_batch, reg=0.1)
      loss_history.append(loss)
      for p in self.params:
        self.params[p] -= learning_rate * grads[p]
      if it % 10 == 0:
        print('iteration %d / %d: loss %f' % (it, num_iters, loss))
    return loss_history

  def predict(self, X):
    return np.argmax(self.loss(X), axis=1)

X = 10 * np.random.randn(20, 4)
y = np.random.randint(3, size=20)
net = TwoLayerNet(4, 10, 3)
hist = net.train(X, y)
""",
    ),
    "recurrent, clipped in place": (
        "dWhh dWhy dWxh dbh dby dh dhnext dhraw dy",
        """\
data = "hello world, hello there. hello again" * 4
chars = sorted(set(data))
data_size, vocab_size = len(data), len(chars)
char_to_ix = {ch: i for i, ch in enumerate(chars)}
hidden_size = 10
seq_length = 6
learning_rate = 1e-1
Wxh = np.random.randn(hidden_size, vocab_size) * 0.01
Whh = np.random.randn(hidden_size, hidden_size) * 0.01
Why = np.random.randn(vocab_size, hidden_size) * 0.01
bh = np.zeros((hidden_size, 1))
by = np.zeros((vocab_size, 1))

def lossFun(inputs, targets, hprev):
  xs, hs, ys, ps = {}, {}, {}, {}
  hs[-1] = np.copy(hprev)
  loss = 0
  for t in range(len(inputs)):
    xs[t] = np.zeros((vocab_size, 1))
    xs[t][inputs[t]] = 1
    hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t-1]) + bh)
    ys[t] = np.dot(Why, hs[t]) + by
    ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
    loss += -np.log(ps[t][targets[t], 0])
  dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
  dbh, dby = np.zeros_like(bh), np.zeros_like(by)
  dhnext = np.zeros_like(hs[0])
  for t in reversed(range(len(inputs))):
    dy = np.copy(ps[t])
    dy[targets[t]] -= 1
    dWhy += np.dot(dy, hs[t].T)
    dby += dy
    dh = np.dot(Why.T, dy) + dhnext
    dhraw = (1 - hs[t] * hs[t]) * dh
    dbh += dhraw
    dWxh += np.dot(dhraw, xs[t].T)
    dWhh += np.dot(dhraw, hs[t-1].T)
    dhnext = np.dot(Whh.T, dhraw)
  for dparam in [dWxh, dWhh, dWhy, dbh, dby]:
    np.clip(dparam, -5, 5, out=dparam)
  return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs)-1]

n, p = 0, 0
mWxh, mWhh, mWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
mbh, mby = np.zeros_like(bh), np.zeros_like(by)
smooth_loss = -np.log(1.0 / vocab_size) * seq_length
while n < 6:
  if p + seq_length + 1 >= len(data) or n == 0:
    hprev = np.zeros((hidden_size, 1))
    p = 0
  inputs = [char_to_ix[ch] for ch in data[p:p+seq_length]]
  targets = [char_to_ix[ch] for ch in data[p+1:p+seq_length+1]]
  loss, dWxh, dWhh, dWhy, dbh, dby, hprev = lossFun(inputs, targets, hprev)
  smooth_loss = smooth_loss * 0.999 + loss * 0.001
  for param, dparam, mem in zip([Wxh, Whh, Why, bh, by], [dWxh, dWhh, dWhy, dbh, dby],
                                [mWxh, mWhh, mWhy, mbh, mby]):
    mem += dparam * dparam
    param += -learning_rate * dparam / np.sqrt(mem + 1e-8)
  p += seq_length
  n += 1
""",
    ),
    "loop of epochs": (
        "da dp dw1 dw2 dz",
        """\
x = np.random.randn(32, 3)
y = (x.sum(axis=1, keepdims=True) > 0).astype(float)
w1 = np.random.randn(3, 4) * 0.5
w2 = np.random.randn(4, 1) * 0.5
for epoch in range(4):
    for i in range(0, 32, 8):
        xb, yb = x[i:i + 8], y[i:i + 8]
        a = np.tanh(xb @ w1)
        p = 1 / (1 + np.exp(-(a @ w2)))
        loss = -np.mean(yb * np.log(p) + (1 - yb) * np.log(1 - p))
        dp = (-yb / p + (1 - yb) / (1 - p)) / len(xb)
        dz = dp * p * (1 - p)
        dw2 = a.T @ dz
        da = dz @ w2.T
        dw1 = xb.T @ (da * (1 - a**2))
        w1 -= 0.1 * dw1
        w2 -= 0.1 * dw2
""",
    ),
    "embedding, batch norm, np.add.at": (
        "dC dbeta de dflat dgamma dhpre dlogits dout dW1",
        """\
C = np.random.randn(9, 2)
ix = np.random.randint(0, 9, (12, 3))
y = np.random.randint(0, 5, 12)
W1 = np.random.randn(6, 5)
gamma, beta = np.random.randn(1, 5), np.random.randn(1, 5)
e = C[ix]
flat = e.reshape(12, -1)
hpre = flat @ W1
mean = hpre.mean(axis=0, keepdims=True)
rstd = (hpre.var(axis=0, keepdims=True, ddof=1) + 1e-5) ** -0.5
xhat = (hpre - mean) * rstd
out = gamma * xhat + beta
logits = np.tanh(out)
m = logits.max(1, keepdims=True)
loss = (np.log(np.exp(logits - m).sum(1)) + m[:, 0] - logits[np.arange(12), y]).mean()
dlogits = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
dlogits[np.arange(12), y] -= 1.0
dlogits /= 12
dout = (1 - logits**2) * dlogits
dbeta = dout.sum(axis=0, keepdims=True)
dgamma = (dout * xhat).sum(axis=0, keepdims=True)
dhpre = gamma * rstd / 12 * (
    12 * dout - dout.sum(0) - 12 / 11 * xhat * (dout * xhat).sum(0)
)
dW1 = flat.T @ dhpre
dflat = dhpre @ W1.T
de = dflat.reshape(e.shape)
dC = np.zeros_like(C)
np.add.at(dC, ix, de)
""",
    ),
    "attention, softmax normalised in place": (
        "dK dQ dV dout dp ds dx dWq",
        """\
x = np.random.randn(2, 5, 4)
Wq, Wk, Wv = (np.random.randn(4, 3) * 0.3 for _ in range(3))
Q, K, V = x @ Wq, x @ Wk, x @ Wv
s = Q @ K.transpose(0, 2, 1) / np.sqrt(3)
p = np.exp(s - s.max(axis=-1, keepdims=True))
p /= p.sum(axis=-1, keepdims=True)
out = p @ V
loss = np.sum(out * np.cos(out))
dout = np.cos(out) - out * np.sin(out)
dp = dout @ V.swapaxes(1, 2)
dV = p.transpose(0, 2, 1) @ dout
ds = p * (dp - np.sum(dp * p, axis=-1, keepdims=True))
dQ = ds @ K / np.sqrt(3)
dK = ds.transpose(0, 2, 1) @ Q / np.sqrt(3)
dWq = np.einsum("bti,btj->ij", x, dQ)
dx = dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T
""",
    ),
    "convolution in loops, max pooling": (
        "db dout dpool dw dx dxp",
        """\
x, w, b = np.random.randn(2, 3, 6, 6), np.random.randn(2, 3, 3, 3), np.random.randn(2)
xp = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="constant")
out = np.zeros((2, 2, 6, 6))
for n in range(2):
    for f in range(2):
        for i in range(6):
            for j in range(6):
                out[n, f, i, j] = np.sum(xp[n, :, i:i + 3, j:j + 3] * w[f]) + b[f]
pool = out.reshape(2, 2, 3, 2, 3, 2).max(axis=(3, 5))
loss = 0.5 * np.sum(pool**2)
dpool = pool
mask = out == pool.repeat(2, axis=2).repeat(2, axis=3)
dout = mask * dpool.repeat(2, axis=2).repeat(2, axis=3)
db = dout.sum(axis=(0, 2, 3))
dxp, dw = np.zeros_like(xp), np.zeros_like(w)
for n in range(2):
    for f in range(2):
        for i in range(6):
            for j in range(6):
                dw[f] += dout[n, f, i, j] * xp[n, :, i:i + 3, j:j + 3]
                dxp[n, :, i:i + 3, j:j + 3] += dout[n, f, i, j] * w[f]
dx = dxp[:, :, 1:-1, 1:-1]
""",
    ),
    "leaky relu by mask, a number for a loss": (
        "dW dz",
        """\
X = np.linspace(-1, 1, 12).reshape(4, 3)
W = np.array([[0.5, -0.2], [0.1, 0.4], [-0.3, 0.8]])
z = np.dot(X, W)
a = np.where(z > 0, z, 0.01 * z)
loss = 0
for row in a:
    loss += np.sum(row * row)
dz = 2 * a
dz[z <= 0] *= 0.01
dW = np.dot(X.T, dz)
""",
    ),
}
