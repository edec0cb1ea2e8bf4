"""Every entry of RULES: its line is run and compared with autograd in float64."""

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
"""Tolerance relative to the largest element: float64 rounds at 1e-16, with little cancellation."""


SHORT = """\
with torch.no_grad():
    it = {0}
    row = torch.arange(1.0, 1 + (it.shape[-1] if it.dim() else 1), dtype=it.dtype)
    row = row if it.dim() else row[0]
loss = (({0}) * row).sum()
"""
MEAN = "loss = ({}).mean()\n"


def errors_in(expression, ending=WEIGHED):
    """Return the errors in the derived lines of a case, [] if there are none."""
    derived = undone(ending.format(expression))
    errors = [*derived.missing, *derived.failed.values()]
    assert derived.autograd
    for name, expected in derived.autograd.items():
        gradient = derived.gradients.get(name)
        if not isinstance(gradient, torch.Tensor) or gradient.shape != expected.shape:
            errors.append(f"{name}: {getattr(gradient, 'shape', gradient)}")
        elif not torch.allclose(
            gradient, expected, rtol=0, atol=tolerance(expression) * float(expected.abs().max() + 1)
        ):
            errors.append(f"{name}: off by {float((gradient - expected).abs().max()):.2g}")
    return errors and [*errors, str(derived)]


def tolerance(expression):
    """Return the tolerance of a case: that of float32 if it computes in float32."""
    single = ("float", "hardsigmoid", "celu")  # torch's kernels use float32 1/6 and 1/alpha
    return 1e-6 if any(word in expression for word in single) else CLOSE


@pytest.mark.parametrize("name", sorted(RULES))
def test_each_rule_gives_what_autograd_gives(name):
    assert CASES[name] or name in ELSEWHERE
    wrong = {e: errors for e in CASES[name] if (errors := errors_in(e))}
    assert wrong == {}


@pytest.mark.parametrize("ending", [MEAN, SHORT], ids=["number", "short"])
@pytest.mark.parametrize("name", sorted(set(RULES) - {"dropout"}))  # its mask has no name here
def test_each_rule_with_an_upstream_gradient_that_is_a_number_or_broadcasts(name, ending):
    wrong = {e: errors for e in CASES[name][:3] if (errors := errors_in(e, ending))}
    assert wrong == {}


ELSEWHERE = {"setitem"}
"""Rules of statements, which are no expressions: see derive/test_lines.py."""
