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
xhat = (x - x.mean(-1, keepdim=True)) * rstd
dx = rstd / x.shape[-1] * (x.shape[-1] * dnorm - dnorm.sum(-1, keepdim=True) - xhat * (dnorm * xhat).sum(-1, keepdim=True))
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
