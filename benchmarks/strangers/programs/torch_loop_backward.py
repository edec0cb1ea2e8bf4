import torch
import torch.nn.functional as F

torch.manual_seed(4)
X = torch.randn(20, 6)
Y = torch.randint(0, 3, (20,))
W1 = (torch.randn(6, 5) * 0.4).requires_grad_()
W2 = (torch.randn(5, 3) * 0.4).requires_grad_()
lr = 0.1
for step in range(4):
    ix = torch.randint(0, 20, (10,))
    a = X[ix] @ W1
    h = F.relu(a)
    z = h @ W2
    loss = F.cross_entropy(z, Y[ix])
    for p in (W1, W2):
        p.grad = None
    loss.backward()
    with torch.no_grad():
        dz = F.softmax(z, 1)
        dz[range(10), Y[ix]] -= 1
        dz = dz / 10
        dW2 = h.T @ dz
        dh = dz @ W2.T
        da = dh * (a > 0)
        dW1 = X[ix].T @ da
        W1 -= lr * dW1
        W2 -= lr * dW2
