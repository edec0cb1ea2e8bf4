"""Layers as people write them, forward and backward: all of it right."""

NORM = """\
torch.manual_seed(0)
B,C = 6,8
x = torch.randn(B,C).requires_grad_()
g = torch.randn(C).requires_grad_()
b = torch.randn(C).requires_grad_()
mu = x.mean(1, keepdim=True)
xc = x - mu
var = (xc**2).mean(1, keepdim=True)
std = torch.sqrt(var + 1e-5)
xhat = xc / std
y = xhat * g + b
loss = (y**3).mean()
dy = 3*y**2/y.numel()
dg = (dy*xhat).sum(0)
db = dy.sum(0)
dxhat = dy*g
dstd = (-dxhat*xc/std**2).sum(1, keepdim=True)
dvar = 0.5*dstd/std
dxc = dxhat/std
dxc += dvar*2*xc/C
dmu = -dxc.sum(1, keepdim=True)
dx = dxc + dmu/C
"""

CONVOLUTION = """\
torch.manual_seed(0)
N,C,L,O,K = 2,3,10,4,3
x = torch.randn(N,C,L).requires_grad_()
w = torch.randn(O,C,K).requires_grad_()
b = torch.randn(O).requires_grad_()
cols = x.unfold(2,K,1)
y = torch.einsum('nclk,ock->nol', cols, w) + b[None,:,None]
loss = (y**2).sum()
dy = 2*y
db = dy.sum((0,2))
dw = torch.einsum('nol,nclk->ock', dy, cols)
dcols = torch.einsum('nol,ock->nclk', dy, w)
dx = torch.zeros_like(x)
for k in range(K):
    dx[:,:,k:k+dcols.shape[2]] += dcols[:,:,:,k]
"""

GELU = """\
torch.manual_seed(0)
x = torch.randn(5,4).requires_grad_()
up = torch.randn(5,4)
c = (2/torch.pi)**0.5
u = c*(x + 0.044715*x**3)
t = torch.tanh(u)
y = 0.5*x*(1+t)
loss = (y*up).sum()
dy = up
dt = 0.5*x*dy
du = (1-t**2)*dt
dx = 0.5*(1+t)*dy
dx += c*(1 + 3*0.044715*x**2)*du
"""

SOFTMAX = """\
torch.manual_seed(0)
x = torch.randn(6,5).requires_grad_()
up = torch.randn(6,5)
e = torch.exp(x)
s = e.sum(1, keepdim=True)
p = e / s
loss = (p*up).sum()
dp = up
ds = -(dp*e/s**2).sum(1, keepdim=True)
de = dp/s + ds
dx = de*e
"""

LOGISTIC = """\
torch.manual_seed(0)
n=8
X = torch.randn(n,3)
w = torch.randn(3).requires_grad_()
b = torch.randn(1).requires_grad_()
y = torch.randint(0,2,(n,)).float()
z = X @ w + b
loss = F.binary_cross_entropy_with_logits(z, y)
dz = (torch.sigmoid(z) - y)/n
dw = X.T @ dz
db = dz.sum(0, keepdim=True)
"""

COSINE = """\
torch.manual_seed(0)
a = torch.randn(5,7).requires_grad_()
b = torch.randn(5,7).requires_grad_()
up = torch.randn(5)
na = a.norm(dim=1)
nb = b.norm(dim=1)
dot = (a*b).sum(1)
c = dot/(na*nb)
loss = (c*up).sum()
dc = up
ddot = dc/(na*nb)
dna = -dc*dot/(na**2*nb)
dnb = -dc*dot/(na*nb**2)
da = b*ddot[:,None] + (a/na[:,None])*dna[:,None]
db = a*ddot[:,None] + (b/nb[:,None])*dnb[:,None]
"""

RMS = """\
torch.manual_seed(0)
n,d=4,6
x = torch.randn(n,d).requires_grad_()
g = torch.randn(d).requires_grad_()
up = torch.randn(n,d)
ms = (x*x).mean(-1, keepdim=True)
r = torch.rsqrt(ms + 1e-6)
y = x*r*g
loss = (y*up).sum()
dy = up
dg = (dy*x*r).sum(0)
dr = (dy*g*x).sum(-1, keepdim=True)
dms = -0.5*r**3*dr
dx = dy*g*r + 2*x*dms/d
"""

DROPOUT = """\
torch.manual_seed(0)
p=0.3
x = torch.randn(6,5).requires_grad_()
W=torch.randn(5,5).requires_grad_()
up = torch.randn(6,5)
h = torch.relu(x @ W)
mask = (torch.rand(6,5) > p).float()
d = h*mask/(1-p)
loss = (d*up).sum()
dd = up
dh = dd*mask/(1-p)
dz = dh*(h>0)
dW = x.T @ dz
dx = dz @ W.T
"""

LEAKY = """\
torch.manual_seed(0)
x = torch.randn(6,5).requires_grad_()
up = torch.randn(6,5)
y = F.leaky_relu(x, 0.1)
loss = (y*up).sum()
dy = up
dx = torch.where(x>0, dy, 0.1*dy)
"""

GROUPS = """\
torch.manual_seed(0)
N,C,L,G=2,6,4,3
x = torch.randn(N,C,L).requires_grad_()
g=torch.randn(C).requires_grad_()
b=torch.randn(C).requires_grad_()
up = torch.randn(N,C,L)
xg = x.view(N,G,-1)
mu = xg.mean(2, keepdim=True)
var = xg.var(2, unbiased=False, keepdim=True)
xn = (xg-mu)/torch.sqrt(var+1e-5)
xh = xn.view(N,C,L)
y = xh*g[None,:,None] + b[None,:,None]
loss = (y*up).sum()
m = xg.shape[2]
dy = up
dg = (dy*xh).sum((0,2))
db = dy.sum((0,2))
dxh = dy*g[None,:,None]
dxn = dxh.view(N,G,-1)
dxg = (dxn - dxn.mean(2,keepdim=True) - xn*(dxn*xn).mean(2,keepdim=True))/torch.sqrt(var+1e-5)
dx = dxg.view(N,C,L)
"""

POOL = """\
torch.manual_seed(0)
x = torch.randn(2,3,8).requires_grad_()
up = torch.randn(2,3,4)
w = x.view(2,3,4,2)
y, idx = w.max(3)
loss = (y*up).sum()
dy = up
dw = torch.zeros_like(w)
dw.scatter_(3, idx.unsqueeze(3), dy.unsqueeze(3))
dx = dw.view(2,3,8)
"""

SKIP = """\
torch.manual_seed(0)
x = torch.randn(6,5).requires_grad_()
W1=torch.randn(5,5).requires_grad_()
W2=torch.randn(5,5).requires_grad_()
a = x @ W1
h = torch.relu(a)
y = x + h @ W2
loss = ((y-1)**2).mean()
dy = 2*(y-1)/y.numel()
dh = dy @ W2.T
dW2 = h.T @ dy
da = dh.clone()
da[a <= 0] = 0
dW1 = x.T @ da
dx = da @ W1.T + dy
"""

SQUARED = """\
torch.manual_seed(0)
n=16
X=torch.randn(n,3)
t=torch.randn(n,1)
w=torch.randn(3,1).requires_grad_()
b=torch.randn(1).requires_grad_()
pred = X @ w + b
loss = F.mse_loss(pred, t)
dpred = 2*(pred-t)/n
dw = X.T @ dpred
db = dpred.sum(0)
"""
