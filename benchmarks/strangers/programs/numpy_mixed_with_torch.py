import numpy as np
import torch

torch.manual_seed(32)
Wt = torch.randn(4, 3, requires_grad=True)
x = torch.randn(6, 4)
logits = x @ Wt
loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0, 1, 2]))
loss.backward()
probs = torch.softmax(logits.detach(), 1)
dlogits = probs - torch.eye(3)[[0, 1, 2, 0, 1, 2]]
dlogits = dlogits / 6
dWt = x.T @ dlogits
print(np.abs(dWt.numpy() - Wt.grad.numpy()).max())
