"""A GRU reads two characters of four words, and predicts the next one after each.

B words, T steps, embedding size C, H hidden units, V symbols. r is the reset gate, z the update
gate, n the new state. Each step has its own names, so that the backward pass through time is
written step by step.
"""

import torch

chars = ".abcdefghijklmnopqrstuvwxyz"
words = [".em", ".ol", ".av", ".is"]
ix = torch.tensor([[chars.index(c) for c in word] for word in words])
y = ix[:, 1:].T.flatten()  # the characters to predict, step by step
B, T, C, H, V = len(words), 2, 5, 6, len(chars)

g = torch.Generator().manual_seed(42)
emb = torch.randn((V, C), generator=g, requires_grad=True)
Wr = (torch.randn((C + H, H), generator=g) * (C + H) ** -0.5).requires_grad_()
Wz = (torch.randn((C + H, H), generator=g) * (C + H) ** -0.5).requires_grad_()
Wn = (torch.randn((C + H, H), generator=g) * (C + H) ** -0.5).requires_grad_()
br = (torch.randn(H, generator=g) * 0.1).requires_grad_()
bz = (torch.randn(H, generator=g) * 0.1).requires_grad_()
bn = (torch.randn(H, generator=g) * 0.1).requires_grad_()
Wy = (torch.randn((H, V), generator=g) * H**-0.5).requires_grad_()
by = (torch.randn(V, generator=g) * 0.1).requires_grad_()
h0 = torch.randn((B, H), generator=g)

x1 = emb[ix[:, 0]]
xh1 = torch.cat([x1, h0], 1)  # (B, C + H)
r1 = torch.sigmoid(xh1 @ Wr + br)  # (B, H)
z1 = torch.sigmoid(xh1 @ Wz + bz)
xr1 = torch.cat([x1, r1 * h0], 1)
n1 = torch.tanh(xr1 @ Wn + bn)
h1 = (1 - z1) * n1 + z1 * h0

x2 = emb[ix[:, 1]]
xh2 = torch.cat([x2, h1], 1)
r2 = torch.sigmoid(xh2 @ Wr + br)
z2 = torch.sigmoid(xh2 @ Wz + bz)
xr2 = torch.cat([x2, r2 * h1], 1)
n2 = torch.tanh(xr2 @ Wn + bn)
h2 = (1 - z2) * n2 + z2 * h1

h = torch.stack([h1, h2])  # (T, B, H)
logits = h.view(T * B, H) @ Wy + by  # (T B, V)
logprobs = logits.log_softmax(1)
loss = -logprobs[range(T * B), y].mean()
