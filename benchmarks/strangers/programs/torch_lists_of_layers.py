import torch

torch.manual_seed(16)
sizes = [4, 6, 5, 2]
Ws = [torch.randn(a, b) * 0.5 for a, b in zip(sizes, sizes[1:])]
x = torch.randn(7, 4)
y = torch.randn(7, 2)
acts = [x]
for W in Ws:
    acts.append(torch.sigmoid(acts[-1] @ W))
loss = ((acts[-1] - y) ** 2).sum()

grads = [None] * len(Ws)
d = 2 * (acts[-1] - y)
for i in reversed(range(len(Ws))):
    d = d * acts[i + 1] * (1 - acts[i + 1])
    grads[i] = acts[i].T @ d
    d = d @ Ws[i].T
