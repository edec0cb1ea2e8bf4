import torch
import torch.nn.functional as F

torch.manual_seed(47)
E = torch.randn(6, 4) * 0.5
tok = torch.tensor([0, 3, 3, 5])
nxt = torch.tensor([3, 3, 5, 1])
e = E[tok]
h = torch.tanh(e)
logits = h @ E.T
loss = F.cross_entropy(logits, nxt)
dlogits = logits.softmax(1)
dlogits[torch.arange(4), nxt] -= 1
dlogits = dlogits / 4
dh = dlogits @ E
de = dh * (1 - h * h)
dE = dlogits.T @ h
dE.index_add_(0, tok, de)
