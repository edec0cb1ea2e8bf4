import torch

torch.manual_seed(21)
V, E, H, T, B = 6, 3, 4, 3, 2
ids = torch.randint(0, V, (B, T + 1))
emb = torch.randn(V, E)
Wi = torch.randn(E, 3 * H) * 0.5
Wh = torch.randn(H, 3 * H) * 0.5
bi = torch.randn(3 * H) * 0.1
Wy = torch.randn(H, V) * 0.5
parameters = [emb, Wi, Wh, bi, Wy]
for p in parameters:
    p.requires_grad_(True)

h = [torch.zeros(B, H)]
gates, hn, logits = [], [], []
loss = 0
for t in range(T):
    xi = emb[ids[:, t]] @ Wi + bi
    hh = h[-1] @ Wh
    r = torch.sigmoid(xi[:, :H] + hh[:, :H])
    z = torch.sigmoid(xi[:, H : 2 * H] + hh[:, H : 2 * H])
    n = torch.tanh(xi[:, 2 * H :] + r * hh[:, 2 * H :])
    hn.append(hh[:, 2 * H :])
    gates.append((r, z, n))
    h.append((1 - z) * n + z * h[-1])
    logits.append(h[-1] @ Wy)
    loss = loss + torch.nn.functional.cross_entropy(logits[-1], ids[:, t + 1])
loss = loss / T
loss.backward()

demb, dWi, dWh, dbi, dWy = (torch.zeros_like(p) for p in parameters)
dh_next = torch.zeros(B, H)
with torch.no_grad():
    for t in range(T - 1, -1, -1):
        r, z, n = gates[t]
        dlogit = torch.softmax(logits[t], dim=1)
        dlogit[range(B), ids[:, t + 1]] -= 1.0
        dlogit = dlogit / (B * T)
        dWy += h[t + 1].T @ dlogit
        dh = dlogit @ Wy.T + dh_next
        dn = dh * (1 - z)
        dz = dh * (h[t] - n)
        dn_pre = dn * (1 - n * n)
        dr = dn_pre * hn[t]
        dr_pre = dr * r * (1 - r)
        dz_pre = dz * z * (1 - z)
        dxi = torch.cat([dr_pre, dz_pre, dn_pre], dim=1)
        dhh = torch.cat([dr_pre, dz_pre, dn_pre * r], dim=1)
        dWi += emb[ids[:, t]].T @ dxi
        dbi += dxi.sum(0)
        dWh += h[t].T @ dhh
        demb.index_add_(0, ids[:, t], dxi @ Wi.T)
        dh_next = dh * z + dhh @ Wh.T

for p, g in zip(parameters, [demb, dWi, dWh, dbi, dWy], strict=True):
    print(torch.allclose(p.grad, g, atol=1e-6))
