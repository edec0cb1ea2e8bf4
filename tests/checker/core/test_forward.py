"""Forward passes of every kind the field writes: each is replayed, and agrees with autograd."""

import pytest
import torch

from checker.sessions import run
from handgrad.checker.passes.compare import LIMITS, ratio_of
from handgrad.checker.passes.find import find_passes
from handgrad.checker.passes.truth import differentiated
from handgrad.checker.session import Session
from handgrad.errors import CheckError

SETUP = """
import torch, math
import torch.nn as nn
import torch.nn.functional as F
torch.manual_seed(3)
x = torch.randn(6, 8, requires_grad=True)
w = torch.randn(8, 5, requires_grad=True)
b = torch.randn(5, requires_grad=True)
i = torch.tensor([0, 3, 3, 5])
t = torch.tensor([1, 0, 4, 2, 2, 3])
"""
LINES = {
    "elementwise": "y = (x.sin() + x.exp() * 2 - x.abs() / 3 + torch.sigmoid(x) ** 2).clamp(-1, 9)",
    "more elementwise": "y = F.gelu(x) + F.silu(x) + F.leaky_relu(x) + F.softplus(x) + x.relu()",
    "scalars on the left": "y = 1 / (3 + x**2) - 2**x + math.pi * x",
    "sums": "y = x.sum() + x.sum(0) + x.sum(1, keepdim=True) + x.mean() - x.mean(-1, keepdim=True)",
    "spread": "y = x.var(0) + x.std(1, keepdim=True) + x.norm(dim=0) + x.var(0, unbiased=False)",
    "prod, cumsum, logsumexp": "y = x.prod(1).sum() + x.cumsum(1) + torch.logsumexp(x, 1, True)",
    "max, min, amax": "y = x.max(1, keepdim=True).values + x.min(0)[0] + x.amax(1, True) + x.max()",
    "topk, sort, median": "y = x.topk(3, 1).values.sum() + x.sort(1).values * 2 + x.median()",
    "matmul": (
        "y = x @ w + b\nz = (x.T @ x) @ torch.mm(x.t(), y)\ny = torch.addmm(b, x, w) + z.sum()"
    ),
    "batched": ("h = x.view(2, 3, 8)\ny = h @ w + h.bmm(h.transpose(1, 2)).sum()"),
    "einsum": "y = torch.einsum('ij,jk->ik', x, w) + torch.einsum('ij,ij->', x, x)",
    "indexing": "y = x[0] + x[1:3].sum(0) + x[:, ::2].sum() + x[..., -1].sum() + x[None].sum()",
    "by tensors": "y = x[i] + x[i, [0, 1, 2, 7]].sum() + x[x > 0].sum() + x[range(6), t].sum()",
    "views": "y = x.view(8, 6).T.reshape(4, 12).permute(1, 0).unsqueeze(0).squeeze().flatten()",
    "view of a leaf": ("v = w.view(5, 8)\nu = w.T\ny = x @ u.T + (x @ v.T).sum()"),
    "tied weights": "y = (x @ w) @ w.T",
    "cat, stack": (
        "y = torch.cat([x, x * 2], 1).sum() + torch.stack([x, -x], 0)[0] + torch.hstack([x,"
        " x]).sum()"
    ),
    "split, chunk, unbind": (
        "a, c = x.split(4, 1)\nd, e = x.chunk(2, 1)\ny = a * e + sum(x.unbind(1)).sum() + c * d"
    ),
    "where": "y = torch.where(x > 0, x, x * 0.1) + x.masked_fill(x < 0, 0.0) + x.tril()",
    "gather, scatter": (
        "y = x.gather(1, t[:, None]) + torch.zeros(6, 8).scatter_add(0, t[:, None].expand(6, 8), x)"
    ),
    "repeats": "y = b.expand(6, 5) + b.repeat(6, 1) + w[:6].roll(1, 0) + w[:6].flip(0)",
    "embedding": "y = F.one_hot(t, 6).float() @ x + F.embedding(t, x) + x.index_select(0, t)",
    "softmax": "y = F.softmax(x, 1) + F.log_softmax(x, -1) + torch.softmax(x, 0) + x.softmax(1)",
    "losses": (
        "o = x @ w\n"
        "y = F.cross_entropy(o, t) + F.nll_loss(F.log_softmax(o, 1), t) + F.mse_loss(o,"
        " b.expand(6, 5))"
    ),
    "binary loss": (
        "y = F.binary_cross_entropy_with_logits(x, (x > 0).float()) + F.smooth_l1_loss(x, x * 2)"
    ),
    "norms": (
        "y = F.layer_norm(x, (8,)) + F.batch_norm(x, None, None, training=True) "
        "+ F.group_norm(x, 2)"
    ),
    "modules": (
        "m = nn.Sequential(nn.Linear(8, 4), nn.ReLU(inplace=True), nn.BatchNorm1d(4),"
        " nn.Linear(4, 2))\n"
        "y = m(x)"
    ),
    "module state": ("m = nn.BatchNorm1d(8)\nh = m(x)\nm.eval()\ny = m(h)"),
    "conv": (
        "h = x.view(2, 1, 4, 6)\n"
        "c = nn.Conv2d(1, 3, 3, padding=1)\n"
        "y = F.max_pool2d(c(h), 2) + F.avg_pool2d(c(h), 2)"
    ),
    "recurrent": (
        "cell = nn.GRUCell(8, 8)\n"
        "h = torch.zeros(6, 8)\n"
        "for s in range(3):\n"
        "    h = cell(x, h)\n"
        "y = h"
    ),
    "lstm": (
        "m = nn.LSTM(8, 4, batch_first=True)\no, (h, c) = m(x.view(2, 3, 8))\ny = o.sum() + h + c"
    ),
    "attention": (
        "q = x.view(2, 3, 8)\ny = F.scaled_dot_product_attention(q, q, q, is_causal=True)"
    ),
    "transformer": (
        "m = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)\ny = m(x.view(2, 3, 8))"
    ),
    "unrolled": (
        "h = torch.zeros(6, 5)\n"
        "hs = []\n"
        "for s in range(4):\n"
        "    h = torch.tanh(x @ w + h + b)\n"
        "    hs.append(h)\n"
        "y = torch.stack(hs)"
    ),
    "functions": ("def f(u):\n    v = u * 2\n    return v.tanh()\ny = f(x) + f(f(x))"),
    "in place": ("y = x * 2\ny += 1\ny[0] = 0\ny[:, 1] *= 3\ny.mul_(2).add_(x)\ny.relu_()"),
    "in place on views": ("y = x * 2\nrow = y[1]\nrow += 5\ny.view(-1)[3:9] *= 2\ny.T[0].zero_()"),
    "out": (
        "with torch.no_grad():\n    k = torch.empty(6, 8)\n    torch.mul(x, 2, out=k)\ny = x * k"
    ),
    "no_grad and detach": (
        "with torch.no_grad():\n    k = x.mean(0)\ny = (x - k) * x.detach().abs()"
    ),
    "dropout": (
        "y = F.dropout(x, 0.4) + nn.Dropout(0.2)(x) + x * torch.bernoulli(torch.full((6, 8), 0.5))"
    ),
    "noise": "y = x * torch.randn_like(x) + x * torch.rand(6, 8)",
    "casts": "y = (x.double() @ w.double()).float() + x.to(torch.float32).mean() + x.float().sum()",
    "half": "y = (x.bfloat16() @ w.bfloat16()).float()",
    "rounded on the way": "y = x * torch.tensor(float(x.detach().max())) + x * x.max().item()",
    "linalg": (
        "a = x.T @ x + 8 * torch.eye(8)\n"
        "y = torch.linalg.inv(a) + torch.linalg.cholesky(a) + a.logdet()"
    ),
    "meshes": "y = x * torch.arange(8.0) + torch.linspace(0, 1, 8) * x + torch.outer(b, b).sum()",
    "complex": ("f = torch.fft.fft(x)\ny = f.abs() + f.real * f.imag"),
    "walrus and tuples": ("(a, *_), c = (x * 2, 1), (k := x.exp())\ny = a + c + k"),
}


@pytest.mark.parametrize("kind", LINES)
def test_the_replay_agrees_with_autograd(kind):
    code = SETUP + LINES[kind] + "\nloss = (y * y.detach().cos()).sum()\nloss.backward()\n"
    session = Session()
    run(session, code, {})
    assert session.recorder.failures == []
    forward = differentiated(*find_passes(session.recorder.trace, {}))
    names = {node.name for node in forward.nodes() if node.index in forward.truth}
    assert {"y", "x"} & names == {"y", "x"} if "b." not in LINES[kind][:6] else {"y"} <= names
    for node in forward.nodes():
        own, truth = forward.autograd.get(node.index), forward.truth.get(node.index)
        assert (own is None) == (truth is None), node.name
        if own is not None and truth is not None:
            ratio = ratio_of(own, None, truth, forward.noise[node.index])
            assert ratio <= LIMITS[torch.float32], (node.name, ratio)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_pass_in_each_dtype_is_graded(check, dtype):
    report = check(f"""
import torch
g = torch.Generator().manual_seed(1)
x = torch.randn(50, 40, generator=g).to(torch.{dtype})
w = torch.randn(40, 30, generator=g).to(torch.{dtype}).requires_grad_()
y = x @ w
h = torch.tanh(y)
loss = (h**2).mean()
loss.backward()
dh = 2 * h / h.numel()
dy = (1 - h**2) * dh
dw = x.T @ dy * 2
""")
    rows = {row.hand: row for row in report.rows}
    assert rows["dh"].dtype == dtype
    assert {rows["dh"].verdict, rows["dy"].verdict} <= {"exact", "rounding"}
    assert (rows["dw"].verdict, rows["dw"].blame) == ("wrong", "root")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("y = F.gumbel_softmax(x, 1)", "gumbel_softmax"),
        ("y = F.rrelu(x, training=True)", "rrelu"),
        ("y = nn.LSTM(8, 4, 2, dropout=0.5, batch_first=True)(x.view(2, 3, 8))[0]", "lstm"),
    ],
)
def test_what_draws_at_random_inside_is_not_graded_rather_than_misjudged(check, line, name):
    code = SETUP + line + "\nloss = y.sum()\nloss.backward()\ndx = torch.ones_like(x)\n"
    with pytest.raises(CheckError) as refusal:
        check(code)
    assert str(refusal.value) == (
        f"it: the operations that lead to loss cannot be run again in float64: {name}: "
        f"RuntimeError: it draws random numbers that cannot be drawn again"
    )
