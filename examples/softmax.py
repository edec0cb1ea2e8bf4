"""A backward pass by hand with one wrong line. `handgrad check` finds it."""

import torch

torch.manual_seed(1)
n = 32
x, y = torch.randn(n, 10), torch.randint(0, 27, (n,))
W = (0.1 * torch.randn(10, 27)).requires_grad_()

logits = x @ W
counts = logits.exp()
counts_sum = counts.sum(1, keepdim=True)
counts_sum_inv = counts_sum**-1
probs = counts * counts_sum_inv
logprobs = probs.log()
loss = -logprobs[range(n), y].mean()
loss.backward()

dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(n), y] = -1 / n
dprobs = dlogprobs / probs
dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True)
dcounts = counts_sum_inv * dprobs
dcounts_sum = -(counts_sum**2) * dcounts_sum_inv
dcounts += dcounts_sum
dlogits = counts * dcounts
dW = x.T @ dlogits
