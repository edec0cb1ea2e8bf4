import torch

torch.manual_seed(7)
text = "abcab"
stoi = {c: i for i, c in enumerate(sorted(set(text)))}
tokens = torch.tensor([stoi[c] for c in text])
inputs, targets = tokens[:-1], tokens[1:]
T, V, E, NH = len(inputs), len(stoi), 8, 2
HD = E // NH

params = {
    "wte": torch.randn(V, E),
    "wpe": torch.randn(T, E),
    "wq": torch.randn(E, E) * 0.4,
    "wk": torch.randn(E, E) * 0.4,
    "wv": torch.randn(E, E) * 0.4,
    "wo": torch.randn(E, E) * 0.4,
    "fc1": torch.randn(4 * E, E) * 0.3,
    "fc2": torch.randn(E, 4 * E) * 0.3,
    "head": torch.randn(V, E) * 0.4,
}


def norm(x):
    inv = (x.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt()
    return x * inv, inv


def norm_back(dy, y, inv):
    return inv * (dy - y * (dy * y).mean(-1, keepdim=True))


emb = params["wte"][inputs] + params["wpe"]
x, inv0 = norm(emb)
xn, inv1 = norm(x)
q = (xn @ params["wq"].t()).view(T, NH, HD).transpose(0, 1)
k = (xn @ params["wk"].t()).view(T, NH, HD).transpose(0, 1)
v = (xn @ params["wv"].t()).view(T, NH, HD).transpose(0, 1)
causal = torch.ones(T, T).tril().bool()
scores = q @ k.transpose(-2, -1) / HD**0.5
scores = scores.masked_fill(~causal, float("-inf"))
p = torch.softmax(scores, dim=-1)
ctx = (p @ v).transpose(0, 1).reshape(T, E)
r = x + ctx @ params["wo"].t()
rn, inv2 = norm(r)
a = rn @ params["fc1"].t()
h = a.clamp(min=0)
out = r + h @ params["fc2"].t()
logits = out @ params["head"].t()
logp = torch.log_softmax(logits, -1)
loss = -logp[torch.arange(T), targets].mean()

grads = {}
dlogits = logp.exp()
dlogits[torch.arange(T), targets] -= 1
dlogits /= T
grads["head"] = dlogits.t() @ out
dout = dlogits @ params["head"]
grads["fc2"] = dout.t() @ h
dh = dout @ params["fc2"]
da = dh * (a > 0)
grads["fc1"] = da.t() @ rn
drn = da @ params["fc1"]
dr = dout + norm_back(drn, rn, inv2)
grads["wo"] = dr.t() @ ctx
dctx = (dr @ params["wo"]).view(T, NH, HD).transpose(0, 1)
dp = dctx @ v.transpose(-2, -1)
dv = p.transpose(-2, -1) @ dctx
dscores = p * (dp - (dp * p).sum(-1, keepdim=True))
dscores = dscores / HD**0.5
dq = dscores @ k
dk = dscores.transpose(-2, -1) @ q
dq = dq.transpose(0, 1).reshape(T, E)
dk = dk.transpose(0, 1).reshape(T, E)
dv = dv.transpose(0, 1).reshape(T, E)
grads["wq"] = dq.t() @ xn
grads["wk"] = dk.t() @ xn
grads["wv"] = dv.t() @ xn
dxn = dq @ params["wq"] + dk @ params["wk"] + dv @ params["wv"]
dx = dr + norm_back(dxn, xn, inv1)
demb = norm_back(dx, x, inv0)
grads["wpe"] = demb
grads["wte"] = torch.zeros_like(params["wte"]).index_add(0, inputs, demb)
