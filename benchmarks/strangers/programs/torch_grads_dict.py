import torch
import torch.nn.functional as F

torch.manual_seed(17)
params = {
    "W1": torch.randn(4, 5),
    "b1": torch.zeros(5),
    "W2": torch.randn(5, 3),
    "b2": torch.zeros(3),
}
x = torch.randn(6, 4)
y = torch.randint(0, 3, (6,))
z1 = x @ params["W1"] + params["b1"]
a1 = torch.relu(z1)
z2 = a1 @ params["W2"] + params["b2"]
loss = F.cross_entropy(z2, y)

grads = {}
delta = torch.softmax(z2, 1)
delta[torch.arange(6), y] -= 1
delta /= 6
grads["W2"] = a1.T @ delta
grads["b2"] = delta.sum(0)
delta1 = delta @ params["W2"].T
delta1[z1 <= 0] = 0
grads["W1"] = x.T @ delta1
grads["b1"] = delta1.sum(0)
