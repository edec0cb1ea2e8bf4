import numpy as np

rng = np.random.default_rng(11)
B, T, C, nh = 2, 4, 6, 2
hs = C // nh
x = rng.standard_normal((B, T, C))
Wqkv = rng.standard_normal((C, 3 * C)) * 0.5
Wproj = rng.standard_normal((C, C)) * 0.5
bproj = rng.standard_normal(C)
target = rng.standard_normal((B, T, C))

# forward
qkv = x @ Wqkv
q, k, v = np.split(qkv, 3, axis=-1)
q = q.reshape(B, T, nh, hs).transpose(0, 2, 1, 3)
k = k.reshape(B, T, nh, hs).transpose(0, 2, 1, 3)
v = v.reshape(B, T, nh, hs).transpose(0, 2, 1, 3)
att = q @ k.transpose(0, 1, 3, 2) / np.sqrt(hs)
att = np.where(np.tril(np.ones((T, T))) == 0, -1e9, att)
att = att - att.max(axis=-1, keepdims=True)
e = np.exp(att)
probs = e / e.sum(axis=-1, keepdims=True)
heads = probs @ v
merged = heads.transpose(0, 2, 1, 3).reshape(B, T, C)
out = merged @ Wproj + bproj
loss = 0.5 * np.sum((out - target) ** 2)

# backward
dout = out - target
dbproj = dout.sum(axis=(0, 1))
dWproj = merged.reshape(-1, C).T @ dout.reshape(-1, C)
dmerged = dout @ Wproj.T
dheads = dmerged.reshape(B, T, nh, hs).transpose(0, 2, 1, 3)
dprobs = dheads @ v.transpose(0, 1, 3, 2)
dv = probs.transpose(0, 1, 3, 2) @ dheads
datt = probs * (dprobs - (dprobs * probs).sum(axis=-1, keepdims=True))
datt = datt / np.sqrt(hs)
dq = datt @ k
dk = datt.transpose(0, 1, 3, 2) @ q
parts = [d.transpose(0, 2, 1, 3).reshape(B, T, C) for d in (dq, dk, dv)]
dqkv = np.concatenate(parts, axis=-1)
dWqkv = x.reshape(-1, C).T @ dqkv.reshape(-1, 3 * C)
dx = dqkv @ Wqkv.T
