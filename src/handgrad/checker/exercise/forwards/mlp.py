"""The lecture's network: embeddings, linear, BatchNorm, tanh, linear, cross-entropy.

B examples of T characters, embedding size C, H hidden units, V symbols. The steps have the names
of makemore part 4.
"""

import torch

chars = ".abcdefghijklmnopqrstuvwxyz"
word = "...emma.olivia.ava.isabella."
T = 3
ix = torch.tensor([chars.index(c) for c in word])
Xb = ix.unfold(0, T, 1)[:-1]  # (B, T)
Yb = ix[T:]  # (B,)
B, C, H, V = len(Xb), 4, 10, len(chars)

g = torch.Generator().manual_seed(42)
E = torch.randn((V, C), generator=g)
W1 = torch.randn((T * C, H), generator=g) * (T * C) ** -0.5
b1 = torch.randn(H, generator=g) * 0.1
W2 = torch.randn((H, V), generator=g) * H**-0.5
b2 = torch.randn(V, generator=g) * 0.1
bngain = torch.randn((1, H), generator=g) * 0.1 + 1.0
bnbias = torch.randn((1, H), generator=g) * 0.1
for p in (E, W1, b1, W2, b2, bngain, bnbias):
    p.requires_grad = True

emb = E[Xb]  # (B, T, C)
embcat = emb.view(B, T * C)
hprebn = embcat @ W1 + b1  # (B, H)

bnmeani = hprebn.mean(0, keepdim=True)  # (1, H)
bndiff = hprebn - bnmeani
bnvar = (bndiff**2).sum(0, keepdim=True) / (B - 1)
bnvar_inv = (bnvar + 1e-5) ** -0.5
bnraw = bndiff * bnvar_inv  # (B, H)
hpreact = bngain * bnraw + bnbias

h = torch.tanh(hpreact)
logits = h @ W2 + b2  # (B, V)

logit_maxes = logits.max(1, keepdim=True).values
norm_logits = logits - logit_maxes
counts = norm_logits.exp()
counts_sum = counts.sum(1, keepdim=True)
counts_sum_inv = counts_sum**-1
probs = counts * counts_sum_inv
logprobs = probs.log()
loss = -logprobs[range(B), Yb].mean()
