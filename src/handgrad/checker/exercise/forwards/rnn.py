"""An RNN reads three characters of four words, and predicts the next one after each.

B words, T steps, embedding size C, H hidden units, V symbols. Each step has its own names, so that
the backward pass through time is written step by step.
"""

import torch

chars = ".abcdefghijklmnopqrstuvwxyz"
words = [".emm", ".oli", ".ava", ".isa"]
ix = torch.tensor([[chars.index(c) for c in word] for word in words])
y = ix[:, 1:].T.flatten()  # the characters to predict, step by step
B, T, C, H, V = len(words), 3, 5, 6, len(chars)

g = torch.Generator().manual_seed(42)
emb = torch.randn((V, C), generator=g, requires_grad=True)
Wx = (torch.randn((C, H), generator=g) * C**-0.5).requires_grad_()
Wh = (torch.randn((H, H), generator=g) * H**-0.5).requires_grad_()
bh = (torch.randn(H, generator=g) * 0.1).requires_grad_()
Wy = (torch.randn((H, V), generator=g) * H**-0.5).requires_grad_()
by = (torch.randn(V, generator=g) * 0.1).requires_grad_()
h0 = torch.zeros(B, H)

x1 = emb[ix[:, 0]]  # (B, C)
hpre1 = x1 @ Wx + h0 @ Wh + bh  # (B, H)
h1 = torch.tanh(hpre1)

x2 = emb[ix[:, 1]]
hpre2 = x2 @ Wx + h1 @ Wh + bh
h2 = torch.tanh(hpre2)

x3 = emb[ix[:, 2]]
hpre3 = x3 @ Wx + h2 @ Wh + bh
h3 = torch.tanh(hpre3)

h = torch.stack([h1, h2, h3])  # (T, B, H)
logits = h.view(T * B, H) @ Wy + by  # (T B, V)
logprobs = logits.log_softmax(1)
loss = -logprobs[range(T * B), y].mean()
