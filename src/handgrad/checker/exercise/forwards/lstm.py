"""An LSTM reads two characters of four words, and predicts the next one after each.

B words, T steps, embedding size C, H hidden units, V symbols. i, f and o are the input, forget and
output gates, c is the cell state. Each step has its own names, so that the backward pass through
time is written step by step.
"""

import torch

chars = ".abcdefghijklmnopqrstuvwxyz"
words = [".em", ".ol", ".av", ".is"]
ix = torch.tensor([[chars.index(c) for c in word] for word in words])
y = ix[:, 1:].T.flatten()  # the characters to predict, step by step
B, T, C, H, V = len(words), 2, 5, 6, len(chars)

rng = torch.Generator().manual_seed(42)
emb = torch.randn((V, C), generator=rng, requires_grad=True)
Wx = (torch.randn((C, 4 * H), generator=rng) * C**-0.5).requires_grad_()
Wh = (torch.randn((H, 4 * H), generator=rng) * H**-0.5).requires_grad_()
b = (torch.randn(4 * H, generator=rng) * 0.1).requires_grad_()
Wy = (torch.randn((H, V), generator=rng) * H**-0.5).requires_grad_()
by = (torch.randn(V, generator=rng) * 0.1).requires_grad_()
h0 = torch.randn((B, H), generator=rng)
c0 = torch.randn((B, H), generator=rng)

x1 = emb[ix[:, 0]]  # (B, C)
z1 = x1 @ Wx + h0 @ Wh + b  # (B, 4 H): the gates before their nonlinearity
i1 = torch.sigmoid(z1[:, :H])
f1 = torch.sigmoid(z1[:, H : 2 * H])
g1 = torch.tanh(z1[:, 2 * H : 3 * H])
o1 = torch.sigmoid(z1[:, 3 * H :])
c1 = f1 * c0 + i1 * g1  # (B, H)
t1 = torch.tanh(c1)
h1 = o1 * t1

x2 = emb[ix[:, 1]]
z2 = x2 @ Wx + h1 @ Wh + b
i2 = torch.sigmoid(z2[:, :H])
f2 = torch.sigmoid(z2[:, H : 2 * H])
g2 = torch.tanh(z2[:, 2 * H : 3 * H])
o2 = torch.sigmoid(z2[:, 3 * H :])
c2 = f2 * c1 + i2 * g2
t2 = torch.tanh(c2)
h2 = o2 * t2

h = torch.stack([h1, h2])  # (T, B, H)
logits = h.view(T * B, H) @ Wy + by  # (T B, V)
logprobs = logits.log_softmax(1)
loss = -logprobs[range(T * B), y].mean()
