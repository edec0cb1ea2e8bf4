"""The whole job as the lecture's notebooks do it, as one plain script: no part of handgrad.

    python lecture_script.py WORDS STEPS

Reads the words, builds the data set in loops, trains by loss.backward(), calibrates batchnorm,
evaluates train and val, prints 20 samples.
"""

import random
import sys

import torch
import torch.nn.functional as F

with open(sys.argv[1], encoding="utf-8") as file:
    words = file.read().splitlines()
max_steps = int(sys.argv[2])
torch.set_num_threads(1)  # at these sizes more are slower
stoi = {s: i + 1 for i, s in enumerate(sorted(set("".join(words))))}
stoi["."] = 0
itos = {i: s for s, i in stoi.items()}
vocab_size, block_size, n_embd, n_hidden, batch_size = len(itos), 3, 10, 200, 32


def build_dataset(words: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    X, Y = [], []
    for w in words:
        context = [0] * block_size
        for ch in w + ".":
            X.append(context)
            Y.append(stoi[ch])
            context = [*context[1:], stoi[ch]]
    return torch.tensor(X), torch.tensor(Y)


random.seed(42)
random.shuffle(words)
n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
Xtr, Ytr = build_dataset(words[:n1])
Xdev, Ydev = build_dataset(words[n1:n2])

g = torch.Generator().manual_seed(2147483647)
C = torch.randn((vocab_size, n_embd), generator=g)
fan_in = n_embd * block_size
W1 = torch.randn((fan_in, n_hidden), generator=g) * (5 / 3) / fan_in**0.5
b1 = torch.randn(n_hidden, generator=g) * 0.01
W2 = torch.randn((n_hidden, vocab_size), generator=g) * 0.01
b2 = torch.zeros(vocab_size)
bngain, bnbias = torch.ones((1, n_hidden)), torch.zeros((1, n_hidden))
parameters = [C, W1, b1, W2, b2, bngain, bnbias]
for p in parameters:
    p.requires_grad = True
bnmean_running, bnvar_running = torch.zeros((1, n_hidden)), torch.ones((1, n_hidden))

for i in range(max_steps):
    ix = torch.randint(0, Xtr.shape[0], (batch_size,), generator=g)
    Xb, Yb = Xtr[ix], Ytr[ix]
    emb = C[Xb]
    hprebn = emb.view(emb.shape[0], -1) @ W1 + b1
    bnmean, bnvar = hprebn.mean(0, keepdim=True), hprebn.var(0, keepdim=True, unbiased=True)
    bnraw = (hprebn - bnmean) * (bnvar + 1e-5) ** -0.5
    h = torch.tanh(bngain * bnraw + bnbias)
    logits = h @ W2 + b2
    loss = F.cross_entropy(logits, Yb)
    with torch.no_grad():
        bnmean_running = 0.999 * bnmean_running + 0.001 * bnmean
        bnvar_running = 0.999 * bnvar_running + 0.001 * bnvar
    for p in parameters:
        p.grad = None
    loss.backward()  # type: ignore[no-untyped-call]
    lr = 0.1 if i < max_steps // 2 else 0.01
    for p in parameters:
        p.data += -lr * p.grad
    if i % 10_000 == 0:
        print(f"{i:7d}/{max_steps:7d}: {loss.item():.4f}")

with torch.no_grad():
    hprebn = C[Xtr].view(Xtr.shape[0], -1) @ W1 + b1
    bnmean, bnvar = hprebn.mean(0, keepdim=True), hprebn.var(0, keepdim=True, unbiased=True)


@torch.no_grad()
def logits_of(X: torch.Tensor) -> torch.Tensor:
    hprebn = C[X].view(X.shape[0], -1) @ W1 + b1
    h = torch.tanh(bngain * (hprebn - bnmean) * (bnvar + 1e-5) ** -0.5 + bnbias)
    return h @ W2 + b2


for name, X, Y in (("train", Xtr, Ytr), ("val", Xdev, Ydev)):
    print(name, F.cross_entropy(logits_of(X), Y).item())

g = torch.Generator().manual_seed(2147483647 + 10)
for _ in range(20):
    out, context = [], [0] * block_size
    while True:
        probs = F.softmax(logits_of(torch.tensor([context])), dim=1)
        drawn = int(torch.multinomial(probs, num_samples=1, generator=g).item())
        context = [*context[1:], drawn]
        if drawn == 0:
            break
        out.append(itos[drawn])
    print("".join(out))
