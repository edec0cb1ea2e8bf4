import numpy as np

rng = np.random.RandomState(60)
model = {"W1": rng.randn(4, 5) * 0.5, "W2": rng.randn(5, 3) * 0.5}
X = rng.randn(8, 4)
y = rng.randint(0, 3, 8)
reg = 0.05
hidden = np.maximum(0, X @ model["W1"])
scores = hidden @ model["W2"]
e = np.exp(scores - scores.max(1, keepdims=True))
probs = e / e.sum(1, keepdims=True)
data_loss = -np.log(probs[range(8), y]).mean()
loss = data_loss + 0.5 * reg * (np.sum(model["W1"] ** 2) + np.sum(model["W2"] ** 2))

grads = {}
dscores = probs.copy()
dscores[range(8), y] -= 1
dscores /= 8
grads["W2"] = hidden.T @ dscores + reg * model["W2"]
dhidden = dscores @ model["W2"].T
dhidden[hidden <= 0] = 0
grads["W1"] = X.T @ dhidden + reg * model["W1"]
