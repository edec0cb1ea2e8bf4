"""More correct programs as strangers write them: lists, steps of batchnorm, functions, pooling."""

PROGRAMS = {
    "linear regression loops": """\
import numpy as np
np.random.seed(0)
X = np.random.rand(20, 3); y = X @ np.array([1., 2., 3.]) + .1*np.random.randn(20)
theta = np.zeros(3)
for i in range(50):
    h = X.dot(theta)
    J = (1/(2*20))*np.sum((h - y)**2)
    grad = (1/20)*X.T.dot(h - y)
    theta = theta - .1*grad
""",
    "softmax regression onehot": """\
import numpy as np
rng = np.random.default_rng(1)
X = rng.normal(size=(15, 4)); T = np.eye(3)[rng.integers(0, 3, 15)]
W = rng.normal(size=(4, 3))*.1; b = np.zeros((1, 3))
def softmax(z):
    z = z - np.max(z, axis=1, keepdims=True)
    e = np.exp(z)
    return e/np.sum(e, axis=1, keepdims=True)
losses = []
for ep in range(4):
    Yhat = softmax(X @ W + b)
    losses.append(-np.sum(T*np.log(Yhat + 1e-9))/len(X))
    err = Yhat - T
    gradW = X.T @ err/len(X)
    gradb = np.mean(err, axis=0, keepdims=True)
    W -= .5*gradW
    b -= .5*gradb
""",
    "network sizes class": """\
import numpy as np
class NeuralNetwork:
    def __init__(self, layers):
        self.L = len(layers)
        self.weights = [np.random.randn(a, b)*np.sqrt(2/a) for a, b in zip(layers, layers[1:])]
        self.biases = [np.zeros((1, b)) for b in layers[1:]]
    def feed(self, x):
        self.a = [x]; self.z = []
        for i in range(self.L - 1):
            z = self.a[-1] @ self.weights[i] + self.biases[i]
            self.z.append(z)
            self.a.append(np.maximum(z, 0) if i < self.L - 2 else z)
        return self.a[-1]
    def back(self, y):
        n = y.shape[0]
        self.gw, self.gb = [None]*(self.L-1), [None]*(self.L-1)
        delta = (self.a[-1] - y)*2/y.size
        for i in range(self.L - 2, -1, -1):
            self.gw[i] = self.a[i].T @ delta
            self.gb[i] = delta.sum(axis=0, keepdims=True)
            if i:
                delta = (delta @ self.weights[i].T)*(self.z[i-1] > 0)
    def step(self, lr):
        for i in range(self.L - 1):
            self.weights[i] -= lr*self.gw[i]
            self.biases[i] -= lr*self.gb[i]
np.random.seed(3)
net = NeuralNetwork([3, 6, 5, 2])
x, y = np.random.randn(8, 3), np.random.randn(8, 2)
for _ in range(3):
    out = net.feed(x)
    loss = np.mean((out - y)**2)
    net.back(y)
    net.step(.05)
""",
    "minibatch main function torch": """\
import torch
def main():
    torch.manual_seed(0)
    data = torch.randn(32, 5); lab = (data.sum(1) > 0).float()
    w = torch.zeros(5); b = torch.zeros(1)
    for epoch in range(2):
        perm = torch.randperm(32)
        for i in range(0, 32, 8):
            idx = perm[i:i+8]
            xb, yb = data[idx], lab[idx]
            p = torch.sigmoid(xb @ w + b)
            loss = -(yb*p.log() + (1-yb)*(1-p).log()).mean()
            dlogit = (p - yb)/len(yb)
            dw = xb.t() @ dlogit
            db = dlogit.sum()
            w -= .3*dw
            b -= .3*db
        print(epoch, loss.item())
main()
""",
    "batchnorm steps np": """\
import numpy as np
rng = np.random.RandomState(0)
x = rng.randn(7, 3); gamma = rng.rand(3); beta = rng.rand(3); tgt = rng.randn(7, 3)
N = 7
mu = x.mean(axis=0); xc = x - mu; var = (xc**2).sum(axis=0)/N; sd = np.sqrt(var + 1e-5); inv = 1/sd
xh = xc*inv; out = gamma*xh + beta
loss = np.sum((out - tgt)**2)
dout = 2*(out - tgt)
dbeta = dout.sum(axis=0)
dgamma = np.sum(dout*xh, axis=0)
dxh = dout*gamma
dinv = np.sum(dxh*xc, axis=0)
dxc = dxh*inv
dsd = -dinv/sd**2
dvar = dsd/(2*sd)
dxc += (2/N)*xc*dvar
dmu = -dxc.sum(axis=0)
dx = dxc + dmu/N
""",
    "two heads torch": """\
import torch, torch.nn.functional as F
torch.manual_seed(4)
x = torch.randn(6, 4); W = torch.randn(4, 5); A = torch.randn(5, 3); B = torch.randn(5, 1)
yc = torch.randint(0, 3, (6,)); yr = torch.randn(6, 1)
h = F.relu(x @ W)
la, lb = h @ A, h @ B
loss = F.cross_entropy(la, yc) + 0.5*F.mse_loss(lb, yr)
dla = torch.softmax(la, -1)
dla[range(6), yc] -= 1
dla = dla/6
dlb = (lb - yr)/6
dA = h.T @ dla; dB = h.T @ dlb
dh = dla @ A.T + dlb @ B.T
dpre = dh.clone(); dpre[h == 0] = 0
dW = x.T @ dpre
""",
    "maxpool argmax torch": """\
import torch
torch.manual_seed(0)
x = torch.randn(2, 4, 6)
v, i = x.view(2, 4, 3, 2).max(-1)
loss = (v**3).sum()
dv = 3*v**2
dx = torch.zeros(2, 4, 3, 2)
dx.scatter_(-1, i.unsqueeze(-1), dv.unsqueeze(-1))
dx = dx.view(2, 4, 6)
""",
    "dropout np": """\
import numpy as np
rng = np.random.RandomState(1)
x = rng.randn(5, 4); W1 = rng.randn(4, 6); W2 = rng.randn(6, 2); keep = .8
h = np.tanh(x @ W1)
mask = (rng.rand(*h.shape) < keep)/keep
hd = h*mask
o = hd @ W2
loss = .5*np.sum(o**2)/5
delta_o = o/5
delta_W2 = hd.T @ delta_o
delta_hd = delta_o @ W2.T
delta_h = delta_hd*mask
delta_W1 = x.T @ (delta_h*(1 - h*h))
""",
    "rnn many to one torch lists": """\
import torch
torch.manual_seed(2)
xs = [torch.randn(3, 2) for _ in range(4)]
Wx, Wh, Wo = torch.randn(2, 5)*.5, torch.randn(5, 5)*.5, torch.randn(5, 1)
states = [torch.zeros(3, 5)]
for xt in xs:
    states.append(torch.tanh(xt @ Wx + states[-1] @ Wh))
pred = states[-1] @ Wo
loss = (pred**2).mean()
gpred = 2*pred/3
gWo = states[-1].T @ gpred
gs = gpred @ Wo.T
gWx, gWh = torch.zeros_like(Wx), torch.zeros_like(Wh)
for xt, prev, cur in zip(reversed(xs), states[-2::-1], states[::-1]):
    graw = gs*(1 - cur**2)
    gWx += xt.T @ graw
    gWh += prev.T @ graw
    gs = graw @ Wh.T
""",
    "autoencoder tied": """\
import numpy as np
rng = np.random.RandomState(5)
X = rng.rand(6, 8); W = rng.randn(8, 3)*.3; b = np.zeros(3); c = np.zeros(8)
for it in range(3):
    H = 1/(1+np.exp(-(X @ W + b)))
    R = H @ W.T + c
    E = R - X
    loss = np.sum(E**2)/6
    dR = 2*E/6
    dc = dR.sum(0)
    dH = dR @ W
    dZ = dH*H*(1-H)
    db = dZ.sum(0)
    dW = X.T @ dZ + dR.T @ H
    W -= .1*dW; b -= .1*db; c -= .1*dc
""",
}
