import math

import torch

torch.manual_seed(9)
T, d = 5, 4
x = torch.randn(T, d)
Wq = torch.randn(d, d) * 0.6
Wk = torch.randn(d, d) * 0.6
Wv = torch.randn(d, d) * 0.6
q = x @ Wq
k = x @ Wk
v = x @ Wv
scores = q @ k.T / math.sqrt(d)
att = torch.softmax(scores, dim=-1)
out = att @ v
loss = (out**2).sum()

dout = 2 * out
datt = dout @ v.T
dv = att.T @ dout
dscores = att * (datt - (datt * att).sum(-1, keepdim=True))
dq = dscores @ k / math.sqrt(d)
dk = dscores.T @ q / math.sqrt(d)
dWq = x.T @ dq
dWk = x.T @ dk
dWv = x.T @ dv
dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
