import torch

torch.manual_seed(12)
n_layer, n_embd, B = 3, 6, 4
x = torch.randn(B, n_embd)
target = torch.randint(0, n_embd, (B,))
weights = [torch.randn(n_embd, n_embd) * 0.4 for _ in range(n_layer)]
scales = [torch.rand(n_embd) + 0.5 for _ in range(n_layer)]
for p in weights + scales:
    p.requires_grad = True

stream, saved = x, []
for W, g in zip(weights, scales, strict=True):
    rms = torch.sqrt(torch.mean(stream**2, dim=1, keepdim=True) + 1e-5)
    xn = stream / rms
    act = torch.sigmoid(xn * g @ W)
    saved.append((stream, rms, xn, act))
    stream = stream + act
loss = torch.nn.functional.cross_entropy(stream, target)
loss.backward()

dstream = torch.softmax(stream, 1)
dstream[torch.arange(B), target] -= 1
dstream = dstream / B
dweights, dscales = [], []
for layer in reversed(range(n_layer)):
    inp, rms, xn, act = saved[layer]
    W, g = weights[layer], scales[layer]
    dact = dstream
    dpre = dact * act * (1 - act)
    dweights.insert(0, (xn * g).T @ dpre)
    dscaled = dpre @ W.T
    dscales.insert(0, (dscaled * xn).sum(0))
    dxn = dscaled * g
    dinp = dxn / rms - inp * (dxn * inp).sum(1, keepdim=True) / (n_embd * rms**3)
    dstream = dstream + dinp
