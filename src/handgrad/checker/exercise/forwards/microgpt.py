"""A GPT with one block reads one word and predicts each next character.

The architecture of Karpathy's microgpt: RMSNorm without gain, causal attention with 4 heads, a
ReLU network, two residual connections, no biases. T characters, embedding size C, H heads of
size D, V symbols.
"""

import torch

chars = ".abcdefghijklmnopqrstuvwxyz"
word = ".emma."
ix = torch.tensor([chars.index(c) for c in word[:-1]])
iy = torch.tensor([chars.index(c) for c in word[1:]])
T, C, H, V = len(ix), 16, 4, len(chars)
D = C // H
mask = torch.tril(torch.ones(T, T)) == 0

g = torch.Generator().manual_seed(42)
wte = torch.randn((V, C), generator=g)
wpe = torch.randn((T, C), generator=g)
Wq = torch.randn((C, C), generator=g) * C**-0.5
Wk = torch.randn((C, C), generator=g) * C**-0.5
Wv = torch.randn((C, C), generator=g) * C**-0.5
Wo = torch.randn((C, C), generator=g) * C**-0.5
W1 = torch.randn((C, 4 * C), generator=g) * C**-0.5
W2 = torch.randn((4 * C, C), generator=g) * C**-0.5
Wlm = torch.randn((C, V), generator=g) * C**-0.5
for p in (wte, wpe, Wq, Wk, Wv, Wo, W1, W2, Wlm):
    p.requires_grad = True

# embeddings
tok = wte[ix]  # (T, C)
emb = tok + wpe
ms0 = (emb**2).mean(1, keepdim=True)  # (T, 1)
rstd0 = (ms0 + 1e-5) ** -0.5
x0 = emb * rstd0

# causal attention
ms1 = (x0**2).mean(1, keepdim=True)
rstd1 = (ms1 + 1e-5) ** -0.5
norm1 = x0 * rstd1
q = (norm1 @ Wq).view(T, H, D).transpose(0, 1)  # (H, T, D)
k = (norm1 @ Wk).view(T, H, D).transpose(0, 1)
v = (norm1 @ Wv).view(T, H, D).transpose(0, 1)
scores = q @ k.transpose(1, 2) * D**-0.5  # (H, T, T)
masked = scores.masked_fill(mask, float("-inf"))
att = masked.softmax(-1)
heads = att @ v  # (H, T, D)
y = heads.transpose(0, 1).reshape(T, C)
x1 = x0 + y @ Wo

# two linear layers with a ReLU
ms2 = (x1**2).mean(1, keepdim=True)
rstd2 = (ms2 + 1e-5) ** -0.5
norm2 = x1 * rstd2
hpre = norm2 @ W1  # (T, 4 C)
h = hpre.relu()
x2 = x1 + h @ W2

# loss
logits = x2 @ Wlm  # (T, V)
logprobs = logits.log_softmax(1)
loss = -logprobs[range(T), iy].mean()
