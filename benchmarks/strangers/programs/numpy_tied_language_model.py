import numpy as np

rs = np.random.RandomState(0)
vocab, dim, context = 7, 5, 2
wte = rs.randn(vocab, dim)
proj = rs.randn(context * dim, dim) * 0.3
idx = rs.randint(vocab, size=(6, context))
nxt = rs.randint(vocab, size=6)
N = len(nxt)


def forward():
    e = wte[idx].reshape(N, context * dim)
    h = np.maximum(e @ proj, 0)
    logits = h @ wte.T
    logits -= logits.max(1, keepdims=True)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    loss = -np.log(p[np.arange(N), nxt]).mean()
    return e, h, p, loss


e, h, p, loss = forward()
dlogits = p.copy()
dlogits[np.arange(N), nxt] -= 1
dlogits /= N
dwte = np.zeros_like(wte)
dwte += dlogits.T @ h
dh = dlogits @ wte
dh[h <= 0] = 0
dproj = e.T @ dh
de = dh @ proj.T
np.add.at(dwte, idx, de.reshape(N, context, dim))
