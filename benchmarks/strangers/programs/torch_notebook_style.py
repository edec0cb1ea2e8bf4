import torch
import torch.nn.functional as F

# %% data
torch.manual_seed(26)
Xb = torch.randint(0, 6, (10, 2))
Yb = torch.randint(0, 6, (10,))
C = torch.randn(6, 3)
W = torch.randn(6, 6) * 0.4
b = torch.randn(6) * 0.1
# %% forward
emb = C[Xb]
cat = emb.view(10, -1)
logits = cat @ W + b
mx = logits.max(1, keepdim=True).values
norm = logits - mx
counts = norm.exp()
total = counts.sum(1, keepdim=True)
probs = counts / total
logprobs = probs.log()
loss = -logprobs[range(10), Yb].mean()
# %% backward
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(10), Yb] = -1.0 / 10
dprobs = dlogprobs / probs
dtotal = (-counts / total**2 * dprobs).sum(1, keepdim=True)
dcounts = dprobs / total
dcounts += dtotal
dnorm = dcounts * counts
dlogits = dnorm.clone()
dmx = -dnorm.sum(1, keepdim=True)
dlogits += F.one_hot(logits.max(1).indices, 6) * dmx
dcat = dlogits @ W.T
dW = cat.T @ dlogits
db = dlogits.sum(0)
demb = dcat.view(emb.shape)
dC = torch.zeros_like(C)
dC.index_add_(0, Xb.view(-1), demb.view(-1, 3))
