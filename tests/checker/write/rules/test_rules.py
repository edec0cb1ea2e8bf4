"""Every entry of RULES: its derived line, run, against autograd in float64."""

import pytest
import torch

from checker.write.rules.cases import CASES
from checker.write.rules.conftest import undone
from handgrad.checker.write.rules import RULES

WEIGHED = """\
out = {}
R = torch.randn(out.shape, generator=torch.Generator().manual_seed(3), dtype=out.dtype)
loss = (out * R).sum()
"""
CLOSE = 1e-9
"""Relative to the largest element: float64 rounds at 1e-16, and these cases cancel little."""


SHORT = """\
with torch.no_grad():
    it = {0}
    row = torch.arange(1.0, 1 + (it.shape[-1] if it.dim() else 1), dtype=it.dtype)
    row = row if it.dim() else row[0]
loss = (({0}) * row).sum()
"""
MEAN = "loss = ({}).mean()\n"


def off(name, expression, ending=WEIGHED):
    """What is wrong with the derived lines of a case, a line each; none where all is right."""
    made = undone(ending.format(expression))
    found = [*made.missing, *made.failed.values()]
    assert made.autograd
    for gradient, right in made.autograd.items():
        own = made.gradients.get(gradient)
        if not isinstance(own, torch.Tensor) or own.shape != right.shape:
            found.append(f"{gradient}: {getattr(own, 'shape', own)}")
        elif not torch.allclose(
            own, right, rtol=0, atol=tolerance(expression) * float(right.abs().max() + 1)
        ):
            found.append(f"{gradient}: off by {float((own - right).abs().max()):.2g}")
    return found and [*found, str(made)]


def tolerance(expression):
    """A case that casts down rounds as float32 does."""
    single = ("float", "hardsigmoid", "celu")  # torch's own kernels hold 1/6 and 1/alpha so
    return 1e-6 if any(word in expression for word in single) else CLOSE


@pytest.mark.parametrize("name", sorted(RULES))
def test_each_rule_gives_what_autograd_gives(name):
    assert CASES[name] or name in ELSEWHERE
    wrong = {e: found for e in CASES[name] if (found := off(name, e))}
    assert wrong == {}


@pytest.mark.parametrize("ending", [MEAN, SHORT], ids=["number", "short"])
@pytest.mark.parametrize("name", sorted(set(RULES) - {"dropout"}))  # its mask has no name here
def test_each_rule_where_what_comes_back_is_a_number_or_left_to_broadcasting(name, ending):
    wrong = {e: found for e in CASES[name][:3] if (found := off(name, e, ending))}
    assert wrong == {}


ELSEWHERE = {"setitem"}
"""Rules of statements, which no expression can show: test_derive.py."""
