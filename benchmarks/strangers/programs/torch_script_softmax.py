import torch
import torch.nn.functional as F

torch.manual_seed(2)
x = torch.randn(8, 5)
target = torch.randint(0, 4, (8,))
w = torch.randn(5, 4) * 0.5
b = torch.zeros(4)
logits = x @ w + b
loss = F.cross_entropy(logits, target)

p = F.softmax(logits, dim=1)
dlogits = p.clone()
dlogits[torch.arange(8), target] -= 1
dlogits /= 8
dw = x.T @ dlogits
db = dlogits.sum(0)
