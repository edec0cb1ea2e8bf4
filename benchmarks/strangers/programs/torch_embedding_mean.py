import torch
import torch.nn.functional as F

torch.manual_seed(11)
ids = torch.tensor([[0, 2, 2], [1, 0, 3], [4, 4, 4], [2, 1, 0]])
y = torch.tensor([0, 1, 1, 0])
table = torch.randn(5, 3)
out_w = torch.randn(3, 2)
emb = table[ids]
pooled = emb.mean(1)
logits = pooled @ out_w
loss = F.cross_entropy(logits, y)

dlogits = (F.softmax(logits, 1) - F.one_hot(y, 2)) / len(y)
dout_w = pooled.T @ dlogits
dpooled = dlogits @ out_w.T
demb = dpooled[:, None, :].expand(-1, 3, -1) / 3
dtable = torch.zeros_like(table)
for i in range(4):
    for j in range(3):
        dtable[ids[i, j]] += demb[i, j]
