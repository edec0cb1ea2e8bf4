import numpy as np


def sig(v):
    return 1 / (1 + np.exp(-v))


np.random.seed(14)
x = np.random.randn(3, 4)
h0 = np.random.randn(3, 4)
Wz, Uz = np.random.randn(4, 4) * 0.5, np.random.randn(4, 4) * 0.5
Wr, Ur = np.random.randn(4, 4) * 0.5, np.random.randn(4, 4) * 0.5
Wn, Un = np.random.randn(4, 4) * 0.5, np.random.randn(4, 4) * 0.5
az = x @ Wz + h0 @ Uz
z = sig(az)
ar = x @ Wr + h0 @ Ur
r = sig(ar)
rh = r * h0
an = x @ Wn + rh @ Un
n = np.tanh(an)
h1 = (1 - z) * h0 + z * n
loss = (h1**2).mean()

dh1 = 2 * h1 / h1.size
dz = dh1 * (n - h0)
dn = dh1 * z
dan = dn * (1 - n**2)
drh = dan @ Un.T
dr = drh * h0
daz = dz * z * (1 - z)
dar = dr * r * (1 - r)
dh0 = dh1 * (1 - z) + drh * r + daz @ Uz.T + dar @ Ur.T
dUn = rh.T @ dan
dUr = h0.T @ dar
dx = daz @ Wz.T + dar @ Wr.T + dan @ Wn.T
