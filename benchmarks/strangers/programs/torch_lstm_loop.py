import torch

torch.manual_seed(43)
T, D, H = 3, 2, 4
x = torch.randn(T, D)
W = torch.randn(D + H, 4 * H) * 0.5
b = torch.zeros(4 * H)
h, c = torch.zeros(H), torch.zeros(H)
tape = []
loss = 0.0
for t in range(T):
    z = torch.cat([x[t], h])
    a = z @ W + b
    i, f, o = torch.sigmoid(a[: 3 * H]).split(H)
    g = torch.tanh(a[3 * H :])
    c_old = c
    c = f * c + i * g
    tc = torch.tanh(c)
    h = o * tc
    loss = loss + h.sum()
    tape.append((z, i, f, o, g, c_old, tc))

dW, db = torch.zeros_like(W), torch.zeros_like(b)
dh_next, dc_next = torch.zeros(H), torch.zeros(H)
for z, i, f, o, g, c_old, tc in reversed(tape):
    dh = torch.ones(H) + dh_next
    do = dh * tc
    dc = dh * o * (1 - tc**2) + dc_next
    di, df, dg = dc * g, dc * c_old, dc * i
    da = torch.cat([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])
    dW += torch.outer(z, da)
    db += da
    dz = W @ da
    dh_next = dz[D:]
    dc_next = dc * f
