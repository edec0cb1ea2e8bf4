import numpy as np

rng = np.random.RandomState(19)
ids = np.array([[1, 1, 3], [0, 3, 3]])
E = rng.randn(5, 4)
v = rng.randn(4)
emb = E[ids]
score = emb @ v
act = np.tanh(score)
loss = np.sum(act**2)

dact = 2 * act
dscore = dact * (1 - act**2)
dv = np.einsum("bt,btd->d", dscore, emb)
demb = dscore[..., None] * v
dE = np.zeros_like(E)
np.add.at(dE, ids, demb)
