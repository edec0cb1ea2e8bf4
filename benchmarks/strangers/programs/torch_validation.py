import torch
import torch.nn.functional as F

torch.manual_seed(22)
xtr, ytr = torch.randn(16, 4), torch.randint(0, 3, (16,))
xva, yva = torch.randn(8, 4), torch.randint(0, 3, (8,))
W = torch.randn(4, 3) * 0.3
lr = 0.2
for epoch in range(3):
    logits = xtr @ W
    loss = F.cross_entropy(logits, ytr)
    val_loss = F.cross_entropy(xva @ W, yva)
    dlogits = F.softmax(logits, 1)
    dlogits[range(16), ytr] -= 1
    dlogits /= 16
    dW = xtr.T @ dlogits
    W = W - lr * dW
    print(loss.item(), val_loss.item())
