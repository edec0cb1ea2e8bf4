import torch

gen = torch.Generator().manual_seed(8)
r = lambda *s: torch.randn(*s, generator=gen, dtype=torch.double)  # noqa: E731
x0, x1 = r(5, 3), r(5, 3)
goal = r(5, 4)
Wf = r(7, 4)
Wi = r(7, 4)
Wc = r(7, 4)
Wo = r(7, 4)
bf = r(4)
bi = r(4)
bc = r(4)
bo = r(4)
h_prev, c_prev = r(5, 4), r(5, 4)

# first step
cat0 = torch.cat((h_prev, x0), dim=1)
f0 = torch.sigmoid(cat0 @ Wf + bf)
i0 = torch.sigmoid(cat0 @ Wi + bi)
cc0 = torch.tanh(cat0 @ Wc + bc)
o0 = torch.sigmoid(cat0 @ Wo + bo)
c0 = f0 * c_prev + i0 * cc0
h0 = o0 * torch.tanh(c0)
# second step
cat1 = torch.cat((h0, x1), dim=1)
f1 = torch.sigmoid(cat1 @ Wf + bf)
i1 = torch.sigmoid(cat1 @ Wi + bi)
cc1 = torch.tanh(cat1 @ Wc + bc)
o1 = torch.sigmoid(cat1 @ Wo + bo)
c1 = f1 * c0 + i1 * cc1
h1 = o1 * torch.tanh(c1)
loss = ((h1 - goal) ** 2).mean()

dh1 = 2 * (h1 - goal) / h1.numel()
do1 = dh1 * torch.tanh(c1)
dc1 = dh1 * o1 * (1 - torch.tanh(c1) ** 2)
df1 = dc1 * c0
di1 = dc1 * cc1
dcc1 = dc1 * i1
daf1 = df1 * f1 * (1 - f1)
dai1 = di1 * i1 * (1 - i1)
dac1 = dcc1 * (1 - cc1**2)
dao1 = do1 * o1 * (1 - o1)
dWf = cat1.T @ daf1
dWi = cat1.T @ dai1
dWc = cat1.T @ dac1
dWo = cat1.T @ dao1
dcat1 = daf1 @ Wf.T + dai1 @ Wi.T + dac1 @ Wc.T + dao1 @ Wo.T
dh0 = dcat1[:, :4]
dc0 = dc1 * f1 + dh0 * o0 * (1 - torch.tanh(c0) ** 2)
do0 = dh0 * torch.tanh(c0)
daf0 = dc0 * c_prev * f0 * (1 - f0)
dai0 = dc0 * cc0 * i0 * (1 - i0)
dac0 = dc0 * i0 * (1 - cc0**2)
dao0 = do0 * o0 * (1 - o0)
dWf += cat0.T @ daf0
dWi += cat0.T @ dai0
dWc += cat0.T @ dac0
dWo += cat0.T @ dao0
dbf = daf1.sum(0) + daf0.sum(0)
dbi = dai1.sum(0) + dai0.sum(0)
dbc = dac1.sum(0) + dac0.sum(0)
dbo = dao1.sum(0) + dao0.sum(0)
