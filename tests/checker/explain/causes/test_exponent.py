"""HG104: what it says of exponent, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import exponent

CASES = [
    (
        "x 6 3",
        "y = x**2",
        "dx = 2 * x.pow(2) * dy",
        "Off by the factor x: the derivative of x**2 is 2 * x, not 2 * x**2.",
        "dx = 2 * x * dy",
    ),
    (
        "x 6 3",
        "y = x**2",
        "dx = x**2 * dy",
        "The derivative of x**2 is 2 * x, not x**2.",
        "dx = 2 * x * dy",
    ),
    (
        "x 6 3",
        ("v = x**2 + 1\ns = torch.rsqrt(v)"),
        "dv = -0.5 * torch.pow(v, -2) * ds",
        (
            "Off by the factor v**-0.5: the derivative of x**-0.5 is -0.5 * x**-1.5, not "
            "-0.5 * x**-2."
        ),
        "dv = -0.5 * torch.pow(v, -1.5) * ds",
    ),
    (
        "x 6 3",
        ("v = x**2 + 1\ns = torch.rsqrt(v)"),
        "dv = -0.5 / torch.sqrt(v) * ds",
        (
            "Off by the factor v**-1: the derivative of x**-0.5 is -0.5 * x**-1.5, not "
            "-0.5 / x**0.5."
        ),
        "dv = -0.5 / v**1.5 * ds",
    ),
    (
        "x 6 3",
        ("v = x**2 + 1\ns = torch.rsqrt(v)"),
        "dv = ds * -0.5 * v.rsqrt()",
        ("Off by the factor v: the derivative of x**-0.5 is -0.5 * x**-1.5, not x**-0.5."),
        "dv = ds * -0.5 * v**-1.5",
    ),
    (
        "x 6 3",
        ("v = x**2 + 1\ns = torch.rsqrt(v)"),
        "dv = -0.5 / v * ds",
        "The derivative of x**-0.5 is -0.5 * x**-1.5: v has no exponent here.",
        "dv = -0.5 / v**1.5 * ds",
    ),
    (
        "x 6 3",
        ("v = x**2 + 1\ns = torch.rsqrt(v)"),
        "dv = -0.5 * s ** 2 * ds",
        "Off by the factor s**-1: the exponent must be 3.",
        "dv = -0.5 * s ** 3 * ds",
    ),
    (
        "p 4 3",
        ("c = p.abs() + 1\ninv = 1 / c"),
        "dc = -dinv / c",
        "The derivative of x**-1 is -x**-2: c has no exponent here.",
        "dc = -dinv / c**2",
    ),
    (
        "p 4 3",
        ("c = p.abs() + 1\ninv = c.reciprocal()"),
        "dc = -dinv * c**2",
        "Off by the factor c**4: the derivative of x**-1 is -x**-2, not x**2.",
        "dc = -dinv * c**-2",
    ),
]
OTHERS = [
    ("x 6 3", "y = x**2", "dx = -2 * x * dy", "HG102"),
    ("x 6 3", "y = x**2", "dx = 2**x * dy", "HG116"),
    (
        "q 4 6, k 4 6",
        ("head_size = 6\natt = q @ k.T * head_size**-0.5"),
        "dq = datt @ k * head_size**0.5",
        "HG103",
    ),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_says_which_derivative_it_should_be(
    small, leaves, forward, backward, message, fix
) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (exponent.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
