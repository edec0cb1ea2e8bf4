"""Programs that are not flat: the line is run again and corrected wherever it stands."""

import pytest

START = """
torch.manual_seed(0)
x = torch.randn(8, 5)
W = (torch.randn(5, 6) * 0.5).requires_grad_()
b = torch.randn(6).requires_grad_()
V = (torch.randn(6, 4) * 0.5).requires_grad_()
"""
FLAT = """
z = x @ W + b
h = torch.tanh(z)
out = h @ V
loss = (out**2).mean()
loss.backward()
dout = 2 * out / out.numel()
"""
CLASSES = """
class Linear:
    eps = 0.0
    def __init__(self, W, b):
        self.W, self.b = W, b
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dy):
        {}
        dx = dy @ self.W.T
        return dx
layers = [Linear(W, b), Linear(V, torch.randn(4).requires_grad_())]
z = layers[0].forward(x)
h = torch.tanh(z)
out = layers[1].forward(h)
loss = (out**2).mean()
loss.backward()
dout = 2 * out / out.numel()
dh = layers[1].backward(dout)
dz = (1 - h**2) * dh
dx = layers[0].backward(dz)
"""
FUNCTIONS = """
def forward(x, params):
    z = x @ params["W"] + params["b"]
    h = torch.tanh(z)
    out = h @ params["V"]
    return (out**2).mean(), {{"x": x, "z": z, "h": h, "out": out}}
def backward(cache, params):
    out, h = cache["out"], cache["h"]
    grads = {{}}
    dout = 2 * out / out.numel()
    {}
    return grads
params = {{"W": W, "b": b, "V": V}}
loss, cache = forward(x, params)
loss.backward()
grads = backward(cache, params)
"""
TIME = """
torch.manual_seed(0)
T, B, D, H = 6, 3, 5, 6
x = torch.randn(T, B, D)
Wx = (torch.randn(D, H) * 0.5).requires_grad_()
Wh = (torch.randn(H, H) * 0.5).requires_grad_()
b = torch.randn(H).requires_grad_()
h = torch.zeros(B, H)
hs = [h]
for t in range(T):
    h = torch.tanh(x[t] @ Wx + h @ Wh + b)
    hs.append(h)
loss = (h**2).sum()
loss.backward()
dWx, dWh, db = torch.zeros_like(Wx), torch.zeros_like(Wh), torch.zeros_like(b)
dh_next = 2 * h
for t in reversed(range(T)):
    dz = (1 - hs[t + 1] ** 2) * dh_next
    dWx += x[t].T @ dz
    {}
    dh_next = dz @ Wh.T
"""
LISTS = """
torch.manual_seed(0)
T, B, H = 6, 3, 6
x = torch.randn(T, B, H)
Wh = (torch.randn(H, H) * 0.5).requires_grad_()
hs, zs = {{-1: torch.zeros(B, H)}}, {{}}
for t in range(T):
    zs[t] = x[t] + hs[t - 1] @ Wh
    hs[t] = torch.tanh(zs[t])
loss = (hs[T - 1]**2).sum()
loss.backward()
dWh = torch.zeros_like(Wh)
dhs, dzs = {{T - 1: 2 * hs[T - 1]}}, {{}}
for t in reversed(range(T)):
    {}
    dWh += hs[t - 1].T @ dzs[t]
    dhs[t - 1] = dzs[t] @ Wh.T
"""


def planted(source: str, line: str) -> str:
    return START + source.format(line)


SIGN = "Wrong sign: this is the negative of the correct gradient."
SUM = (
    "A sum over dimension 0 is missing: the forward pass broadcasts {}, so the "
    "gradients of all its copies must be added."
)
CASES = [
    # in a method, into an attribute
    (CLASSES, "self.dW = -self.x.T @ dy", "dW", SIGN, "self.dW = self.x.T @ dy"),
    (CLASSES, "self.db = dy", "db", SUM.format("self.b"), "self.db = dy.sum(0)"),
    (CLASSES, "self.dW = 2 * self.x.T @ dy", "dW", "Off by the factor 2.",
     "self.dW = self.x.T @ dy"),
    # in a function, into a dictionary
    (FUNCTIONS, 'grads["V"] = -h.T @ dout', "grads['V']", SIGN, 'grads["V"] = h.T @ dout'),
    (FUNCTIONS, 'grads["V"] = cache["h"].T @ out', "grads['V']",
     "out is the forward value; its gradient dout belongs here.",
     'grads["V"] = cache["h"].T @ dout'),
    (FUNCTIONS, 'dz = (1 + h**2) * (dout @ params["V"].T)', "dz", "The sign of h**2 is wrong.",
     'dz = (1 - h**2) * (dout @ params["V"].T)'),
    # in a loop over time, added up
    (TIME, "db += -dz.sum(0); dWh += hs[t].T @ dz", "db", SIGN, "db += dz.sum(0)"),
    (TIME, "dWh += 2 * hs[t].T @ dz", "dWh", "Off by the factor 2.", "dWh += hs[t].T @ dz"),
    (TIME, "dWh -= hs[t].T @ dz", "dWh", SIGN, "dWh += hs[t].T @ dz"),
    # in lists and dictionaries over time
    (LISTS, "dzs[t] = (1 + hs[t] ** 2) * dhs[t]", "dzs[5]", "The sign of hs[t] ** 2 is wrong.",
     "dzs[t] = (1 - hs[t] ** 2) * dhs[t]"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "line", "hand", "message", "fix"), CASES)
def test_a_line_is_corrected_where_it_stands(explained, source, line, hand, message, fix) -> None:
    row = explained(planted(source, line), hand)
    assert (row.message, row.fix, row.blame) == (message, fix, "root")


@pytest.mark.parametrize(
    ("lines", "hand", "message", "fix"),
    [
        ("dh, dV = dout @ V.T, -h.T @ dout", "dV", SIGN, "dh, dV = dout @ V.T, h.T @ dout"),
        ("[dh, dV] = [dout @ V.T * 2, h.T @ dout]", "dh", "Off by the factor 2.",
         "[dh, dV] = [dout @ V.T, h.T @ dout]"),
        ("dh = dout @ V.T; dz = (1 + h**2) * dh; db = dz.sum(0)", "dz",
         "The sign of h**2 is wrong.", "dz = (1 - h**2) * dh"),
        ("dh = dout @ V.T\nif True: dz = (1 + h**2) * dh", "dz",
         "The sign of h**2 is wrong.", "dz = (1 - h**2) * dh"),
        ("dh = dout @ V.T\nwith torch.no_grad():\n  dz = (t := 1 + h**2) * dh", "dz",
         "The sign of h**2 is wrong.", "dz = (t := 1 - h**2) * dh"),
        ("(dV := -h.T @ dout)", "dV", SIGN, "(dV := h.T @ dout)"),
        ("dV = torch.stack([-h[:, i, None] * dout for i in range(6)]).sum(1)", "dV", SIGN,
         "dV = torch.stack([h[:, i, None] * dout for i in range(6)]).sum(1)"),
        ("dV: torch.Tensor = -h.T @ dout", "dV", SIGN, None),
        ("dV = (h.T  # the é counts two bytes\n      @ -dout)", "dV", SIGN,
         "dV = (h.T  # the é counts two bytes\n      @ dout)"),
    ],
)  # fmt: skip
def test_however_the_statement_is_written(explained, lines, hand, message, fix) -> None:
    row = explained(START + FLAT + lines, hand)
    assert (row.message, row.blame) == (message, "root")
    assert row.fix == fix or (fix is None and row.fix is not None)


def test_what_numpy_made_is_run_again_too(explained) -> None:
    line = "dV = torch.from_numpy({}h.detach().numpy().T @ dout.detach().numpy())"
    row = explained(START + FLAT + line.format("-"), "dV")
    assert (row.message, row.fix) == (SIGN, line.format(""))


def test_of_a_training_loop_the_worst_step_is_explained(explained) -> None:
    loop = "".join(f"    {line}\n" for line in FLAT.strip().split("\n"))
    loop += """\
    with torch.no_grad():
        dh = dout @ V.T
        dz = (1 + h**2) * dh
        dW = x.T @ dz
        W -= 0.1 * dW
"""
    row = explained(f"{START}for step in range(5):\n{loop}", "dz")
    assert (row.message, row.fix) == ("The sign of h**2 is wrong.", "dz = (1 - h**2) * dh")
