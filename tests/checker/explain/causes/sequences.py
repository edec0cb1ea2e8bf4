"""Layers over sequences as people write them, forward and backward: all of it right."""

RECURRENT = """\
torch.manual_seed(0)
T,B,D,H = 5,3,4,6
x = torch.randn(T,B,D)
Wx = (torch.randn(D,H)*.4).requires_grad_()
Wh = (torch.randn(H,H)*.4).requires_grad_()
b = torch.randn(H).requires_grad_()
Wy = torch.randn(H,2).requires_grad_()
hs = {-1: torch.zeros(B,H)}
ys = {}
for t in range(T):
    hs[t] = torch.tanh(x[t] @ Wx + hs[t-1] @ Wh + b)
    ys[t] = hs[t] @ Wy
loss = sum((ys[t]**2).sum() for t in range(T))
dWx, dWh, db, dWy = [torch.zeros_like(p) for p in (Wx,Wh,b,Wy)]
dhnext = torch.zeros(B,H)
for t in reversed(range(T)):
    dy = 2*ys[t]
    dWy += hs[t].T @ dy
    dh = dy @ Wy.T + dhnext
    draw = (1 - hs[t]**2) * dh
    db += draw.sum(0)
    dWx += x[t].T @ draw
    dWh += hs[t-1].T @ draw
    dhnext = draw @ Wh.T
"""

HEAD = """\
torch.manual_seed(0)
B,T,C,hs = 2,4,8,8
x = torch.randn(B,T,C)
Wq = torch.randn(C,hs).requires_grad_()
Wk = torch.randn(C,hs).requires_grad_()
Wv = torch.randn(C,hs).requires_grad_()
q = x @ Wq
k = x @ Wk
v = x @ Wv
wei = q @ k.transpose(-2,-1) * hs**-0.5
tril = torch.tril(torch.ones(T,T))
masked = wei.masked_fill(tril == 0, float('-inf'))
att = F.softmax(masked, dim=-1)
out = att @ v
loss = (out**2).mean()
dout = 2*out/out.numel()
datt = dout @ v.transpose(-2,-1)
dv = att.transpose(-2,-1) @ dout
dmasked = att * (datt - (att*datt).sum(-1, keepdim=True))
dwei = dmasked.masked_fill(tril == 0, 0)
dq = dwei @ k * hs**-0.5
dk = dwei.transpose(-2,-1) @ q * hs**-0.5
dWq = (x.transpose(-2,-1) @ dq).sum(0)
dWk = (x.transpose(-2,-1) @ dk).sum(0)
dWv = (x.transpose(-2,-1) @ dv).sum(0)
"""

CELL = """\
torch.manual_seed(0)
B,D,H=3,4,5
x = torch.randn(B,D)
h0=torch.randn(B,H)
c0=torch.randn(B,H).requires_grad_()
W = (torch.randn(D+H,4*H)*.4).requires_grad_()
b=torch.randn(4*H).requires_grad_()
up = torch.randn(B,H)
z = torch.cat([x,h0],1) @ W + b
i = torch.sigmoid(z[:, :H])
f = torch.sigmoid(z[:, H:2*H])
o = torch.sigmoid(z[:, 2*H:3*H])
g = torch.tanh(z[:, 3*H:])
c = f*c0 + i*g
tc = torch.tanh(c)
h = o*tc
loss = (h*up).sum()
dh = up
do = dh*tc
dtc = dh*o
dc = dtc*(1-tc**2)
df = dc*c0
di = dc*g
dg = dc*i
dc0 = dc*f
dz = torch.cat([di*i*(1-i), df*f*(1-f), do*o*(1-o), dg*(1-g**2)], 1)
dW = torch.cat([x,h0],1).T @ dz
db = dz.sum(0)
"""

TIED = """\
torch.manual_seed(0)
V,d=7,4
E = torch.randn(V,d).requires_grad_()
ids = torch.tensor([[0,2,2],[5,0,1]])
tgt = torch.tensor([[2,2,5],[0,1,3]])
emb = E[ids]
h = torch.tanh(emb.mean(1, keepdim=True) + emb)
logits = h @ E.T
loss = F.cross_entropy(logits.view(-1,V), tgt.view(-1))
dlogits = F.softmax(logits,-1)
dlogits -= F.one_hot(tgt,V)
dlogits /= tgt.numel()
dh = dlogits @ E
dE = dlogits.view(-1,V).T @ h.view(-1,d)
dpre = (1-h**2)*dh
demb = dpre + dpre.sum(1, keepdim=True)/3
dE.index_add_(0, ids.view(-1), demb.view(-1,d))
"""
