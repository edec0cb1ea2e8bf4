import numpy as np

rng = np.random.RandomState(65)
X = rng.randn(16, 3)
T = rng.randint(0, 4, 16)
onehot = np.eye(4)[T]
W = rng.randn(3, 4) * 0.2
b = np.zeros(4)
lr, batch = 0.2, 8
for epoch in range(2):
    order = rng.permutation(16)
    for s in range(0, 16, batch):
        idx = order[s : s + batch]
        logits = X[idx] @ W + b
        logits = logits - logits.max(axis=1, keepdims=True)
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        loss = -(onehot[idx] * np.log(probs)).sum() / batch
        dlogits = (probs - onehot[idx]) / batch
        dW = X[idx].T @ dlogits
        db = dlogits.sum(axis=0)
        W -= lr * dW
        b -= lr * db
