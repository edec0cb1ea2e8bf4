# ruff: noqa: E501 - derived lines are as long as they are
"""Whole forward passes: the lecture's, the library's layers, random ones."""

import pytest
import torch
from benchmarks.proving import own_layers, program
from benchmarks.proving.correct import correct

from checker.write.derive.conftest import derived, off, pasted

LECTURE = program.SETUP + program.FORWARD + program.AUTOGRAD
SETTINGS = program.settings(program.PLAIN)
SMALL = [1, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 21, 25, 27, 28, 29, 30, 31, 32,
         33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 47, 48, 49]  # fmt: skip
"""Seeds of random passes with few rows."""
LAYERS = {f"{p.layer}, {p.case}": p for p in own_layers.layer_passes(torch.float32)
          if p.form == "chunked"}  # fmt: skip


def test_the_lines_of_the_lecture() -> None:
    found = derived(LECTURE, SETTINGS)
    assert str(found) == STEPS
    assert off(found) == []
    assert found.summary().startswith("26 of 26 gradients: ")


def test_the_lines_of_the_lecture_fused() -> None:
    found = derived(LECTURE, SETTINGS, fused=True)
    assert str(found) == FUSED
    assert off(found) == []
    assert len(found.gradients) == 13


@pytest.mark.parametrize("fused", [False, True])
def test_the_lines_of_the_lecture_pass_a_check(fused: bool) -> None:
    found = derived(LECTURE, SETTINGS, fused)
    report = pasted(LECTURE, found, SETTINGS)
    assert report.ok
    assert {row.hand for row in report.rows if row.hand} == {g.name for g in found.gradients}


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_every_chunked_layer_on_every_case(name: str, fused: bool) -> None:
    given = LAYERS[name]
    found = derived(given.source.split("with torch.no_grad()")[0], given.names, fused)
    assert off(found) == []
    hands = {hand for hand in given.hands if fused is False}
    assert hands <= {g.name for g in found.gradients}


@pytest.mark.parametrize("seed", SMALL)
def test_random_forward_passes(seed: int) -> None:
    given, fused = correct(seed), seed % 2 == 1
    forward, _, _ = given.source.partition("loss.backward()\n")
    assert off(derived(f"{forward}loss.backward()\n", given.names(), fused)) == []


@pytest.mark.parametrize("n", [300, 5000])
@pytest.mark.parametrize("less", ["n", "(n - 1)"])
def test_variances_by_n_and_by_n_minus_1_are_distinguished_in_many_rows(n: int, less: str) -> None:
    found = derived(NORM.format(n=n, less=less), fused=True)
    assert off(found) == []
    line = next(line for line in found.lines if line.startswith("dx = "))
    assert ("n / (n - 1)" in line) is (less != "n")


NORM = """\
torch.manual_seed(1)
n = {n}
x = torch.randn(n, 3, requires_grad=True)
diff = x - 1 / n * x.sum(0, keepdim=True)
var = 1 / {less} * (diff**2).sum(0, keepdim=True)
rstd = (var + 1e-5) ** -0.5
xhat = diff * rstd
loss = (xhat**3).sum()
loss.backward()
"""

STEPS = """\
# loss = -logprobs[torch.arange(n), Yb].mean()
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[torch.arange(n), Yb] = -1 / n
# logprobs = probs.log()
dprobs = dlogprobs / probs
# probs = counts * counts_sum_inv
dcounts = counts_sum_inv * dprobs
dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True)
# counts_sum_inv = counts_sum**-1
dcounts_sum = -counts_sum**-2 * dcounts_sum_inv
# counts_sum = counts.sum(1, keepdim=True)
dcounts += torch.ones_like(counts) * dcounts_sum
# counts = norm_logits.exp()
dnorm_logits = counts * dcounts
# norm_logits = logits - logit_maxes
dlogits = dnorm_logits.clone()
dlogit_maxes = (-dnorm_logits).sum(1, keepdim=True)
# logit_maxes = logits.max(1, keepdim=True).values
dlogits += F.one_hot(logits.argmax(1), logits.shape[1]) * dlogit_maxes
# logits = h @ W2 + b2
db2 = dlogits.sum(0)
dh = dlogits @ W2.T
dW2 = h.T @ dlogits
# h = torch.tanh(hpreact)
dhpreact = (1 - h**2) * dh
# hpreact = bngain * bnraw + bnbias
dbnbias = dhpreact.sum(0, keepdim=True)
dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
dbnraw = bngain * dhpreact
# bnraw = bndiff * bnvar_inv
dbndiff = bnvar_inv * dbnraw
dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)
# bnvar_inv = (bnvar + 1e-5) ** -0.5
dbnvar = -0.5 * (bnvar + 1e-5) ** -1.5 * dbnvar_inv
# bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)
dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff2) * dbnvar
# bndiff2 = bndiff**2
dbndiff += 2 * bndiff * dbndiff2
# bndiff = hprebn - bnmeani
dhprebn = dbndiff.clone()
dbnmeani = (-dbndiff).sum(0, keepdim=True)
# bnmeani = 1 / n * hprebn.sum(0, keepdim=True)
dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani
# hprebn = embcat @ W1 + b1
db1 = dhprebn.sum(0)
dembcat = dhprebn @ W1.T
dW1 = embcat.T @ dhprebn
# embcat = emb.view(emb.shape[0], -1)
demb = dembcat.view(emb.shape)
# emb = C[Xb]
dC = torch.zeros_like(C)
dC.index_put_((Xb,), demb, accumulate=True)
"""

FUSED = """\
# logits to loss: softmax_cross_entropy, in closed form
dlogits = (torch.softmax(logits, 1) - F.one_hot(Yb, logits.shape[1])) / n
# logits = h @ W2 + b2
db2 = dlogits.sum(0)
dh = dlogits @ W2.T
dW2 = h.T @ dlogits
# h = torch.tanh(hpreact)
dhpreact = (1 - h**2) * dh
# hprebn to hpreact: batchnorm, in closed form
dhprebn = bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0))
dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
dbnbias = dhpreact.sum(0, keepdim=True)
# hprebn = embcat @ W1 + b1
db1 = dhprebn.sum(0)
dembcat = dhprebn @ W1.T
dW1 = embcat.T @ dhprebn
# embcat = emb.view(emb.shape[0], -1)
demb = dembcat.view(emb.shape)
# emb = C[Xb]
dC = torch.zeros_like(C)
dC.index_put_((Xb,), demb, accumulate=True)
"""
