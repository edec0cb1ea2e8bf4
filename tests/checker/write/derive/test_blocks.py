# ruff: noqa: E501 - derived lines are as long as they are
"""Blocks in closed form: which are recognised, and which are written in steps."""

import pytest

from checker.write.derive.conftest import START, derived, off


def test_a_layernorm_uses_the_named_steps_inside_it() -> None:
    source = """\
x = torch.randn(5, 4, requires_grad=True)
mean = x.mean(-1, keepdim=True)
xc = x - mean
rstd = ((xc**2).mean(-1, keepdim=True) + 1e-5) ** -0.5
norm = xc * rstd
loss = (norm**3).sum()
"""
    found = derived(START + source, fused=True)
    assert off(found) == []
    assert str(found) == LAYERNORM


LAYERNORM = """\
# loss = (norm**3).sum()
dnorm = 3 * norm**2
# x to norm: layernorm, in closed form
dx = rstd / x.shape[-1] * (x.shape[-1] * dnorm - dnorm.sum(-1, keepdim=True) - norm * (dnorm * norm).sum(-1, keepdim=True))
"""


def test_an_rmsnorm_uses_the_named_root_mean_square() -> None:
    source = """\
x = torch.randn(5, 4, requires_grad=True)
gain = torch.randn(4, requires_grad=True)
rms = torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5)
y = x / rms * gain
loss = (y**3).sum()
"""
    found = derived(START + source, fused=True)
    assert off(found) == []
    assert str(found) == RMSNORM


RMSNORM = """\
# loss = (y**3).sum()
dy = 3 * y**2
# x to y: rmsnorm, in closed form
rstd = 1 / rms
xhat = x * rstd
dxhat = gain * dy
dx = rstd * (dxhat - xhat * (dxhat * xhat).mean(-1, keepdim=True))
dgain = (xhat * dy).sum(0)
"""


def test_a_softmax_in_steps_with_a_factor_and_a_mask_is_one_block() -> None:
    source = """\
q = torch.randn(2, 5, 4, requires_grad=True)
scores = q @ q.detach().mT
scaled = scores * 0.5
masked = scaled.masked_fill(torch.ones(5, 5).triu(1) > 0, -torch.inf)
e = torch.exp(masked - masked.max(-1, keepdim=True).values)
att = e / e.sum(-1, keepdim=True)
loss = (att**3).sum()
"""
    found = derived(START + source, fused=True)
    assert off(found) == []
    assert str(found) == SOFTMAX


SOFTMAX = """\
# loss = (att**3).sum()
datt = 3 * att**2
# scores to att: softmax, in closed form
dscores = 0.5 * att * (datt - (att * datt).sum(-1, keepdim=True))
# scores = q @ q.detach().mT
dq = dscores @ q.detach()
"""


@pytest.mark.parametrize("turned", ["y.T * v", "(y.T * v).T.contiguous()"])
def test_a_block_whose_factor_cannot_be_a_gain_or_bias_is_written_in_steps(turned: str) -> None:
    source = f"""\
x = torch.randn(6, 4, requires_grad=True)
v = torch.randn(6, requires_grad=True)
y = x * torch.sigmoid(x)
z = {turned}
q = 1 / (1 + z * z)
loss = (q.cumsum(1) / 7).sum()
"""
    found = derived(START + source, fused=True)
    assert off(found) == []
    assert "closed form" not in str(found)


def test_targets_of_high_probability_use_the_sum_of_the_other_probabilities() -> None:
    source = """\
logits = torch.randn(5, 4, requires_grad=True)
sure = logits + 12 * F.one_hot(torch.tensor([0, 1, 2, 3, 0]), 4)
Yb = torch.tensor([0, 1, 2, 3, 0])
logprobs = F.log_softmax(sure, 1)
loss = -logprobs[range(5), Yb].mean()
"""
    found = derived(START + source, fused=True)
    assert off(found) == []
    assert str(found) == SURE


SURE = """\
# sure to loss: softmax_cross_entropy, in closed form
hot = F.one_hot(Yb, sure.shape[1])
others = torch.softmax(sure, 1) * (1 - hot)
dsure = (others - hot * others.sum(1, keepdim=True)) / 5
# sure = logits + 12 * F.one_hot(torch.tensor([0, 1, 2, 3, 0]), 4)
dlogits = dsure.clone()
"""
