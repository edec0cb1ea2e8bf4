"""HG138: small numbers."""

import pytest

from checker.explain.causes.programs import SCALED
from handgrad.checker.explain.causes import epsilon

HEAD = "eps = 1e-5\n"
CASES = [
    (
        "1e-5",
        "dv = -0.5 * v**-1.5 * ds",
        "The forward pass adds 1e-5 to v; this line does not.",
        "dv = -0.5 * (v + 1e-5)**-1.5 * ds",
    ),
    (
        "eps",
        "dv = -0.5 * v**-1.5 * ds",
        "The forward pass adds eps to v; this line does not.",
        "dv = -0.5 * (v + eps)**-1.5 * ds",
    ),
    (
        "1e-3",
        "dv = -0.5 * (v + 1e-5) ** -1.5 * ds",
        "The forward pass adds 1e-3 to v; this line adds 1e-5.",
        "dv = -0.5 * (v + 1e-3) ** -1.5 * ds",
    ),
    (
        "0",
        "dv = -0.5 * torch.pow(v + 1e-3, -1.5) * ds",
        "The forward pass adds nothing to v; this line adds 1e-3.",
        "dv = -0.5 * torch.pow(v, -1.5) * ds",
    ),
    (
        "1e-5",
        "dv = -0.501 * (v + 1e-5) ** -1.5 * ds",
        "0.501 is used where 0.5 belongs.",
        "dv = -0.5 * (v + 1e-5) ** -1.5 * ds",
    ),
]

OTHERS = [
    ("1e-5", "dv = 0.5 * (v + 1e-5) ** -1.5 * ds"),
    ("1e-5", "dv = -0.5 * v**-1.5 * ds * 2"),  # two mistakes
    ("1e-5", "dv = -0.5 * (v + 1e-5) ** -0.5 * ds"),
]


def planted(eps, line):
    return HEAD + SCALED.replace("v + 1e-5", f"v + {eps}") + line


@pytest.mark.parametrize(("eps", "line", "message", "fix"), CASES)
def test_small_numbers_are_told(explained, eps, line, message, fix) -> None:
    row = explained(planted(eps, line), "dv")
    assert (row.cause, row.message, row.fix) == (epsilon.CODE, message, fix)
    assert row.checked in ("exact", "rounding")


@pytest.mark.parametrize(("eps", "line"), OTHERS)
def test_it_leaves_other_mistakes_alone(explained, eps, line) -> None:
    assert explained(planted(eps, line), "dv").cause != epsilon.CODE
