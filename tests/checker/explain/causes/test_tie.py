"""HG130: tie or kink."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import tie

CASES = [
    (
        "CORNERS",
        "",
        ("h = torch.relu(a)\nloss = (h * up).sum()\ndh = up\nda = (a >= 0) * dh"),
        "da",
        (
            "Correct except at relu at exactly 0, where autograd gives 0. Any share is a "
            "subgradient there."
        ),
        "da = (a > 0) * dh",
        None,
    ),
    (
        "CORNERS",
        "",
        ("h = a.relu()\nloss = (h * up).sum()\ndh = up\nda = dh.clone()\nda[a < 0] = 0"),
        "da",
        (
            "Correct except at relu at exactly 0, where autograd gives 0. Any share is a "
            "subgradient there."
        ),
        "da[a <= 0] = 0",
        None,
    ),
    (
        "CORNERS",
        "",
        (
            "h = a.clamp(min=-1, max=2)\n"
            "loss = (h * up).sum()\n"
            "dh = up\n"
            "da = ((a > -1) & (a < 2)) * dh"
        ),
        "da",
        (
            "Correct except at clamp's border, where autograd passes the gradient on. Any "
            "share is a subgradient there."
        ),
        "da = ((a >= -1) & (a <= 2)) * dh",
        None,
    ),
    (
        "CORNERS",
        "",
        ("h = abs(a)\nloss = (h * up).sum()\ndh = up\nda = torch.where(a >= 0, dh, -dh)"),
        "da",
        (
            "Correct except at abs at exactly 0, where autograd gives 0. Any share is a "
            "subgradient there."
        ),
        "da = torch.sign(a) * dh",
        None,
    ),
    (
        "CORNERS",
        "",
        (
            "c = torch.full((3, 4), 2.0)\n"
            "h = torch.maximum(a, c)\n"
            "loss = (h * up).sum()\n"
            "dh = up\n"
            "da = (a >= c) * dh"
        ),
        "da",
        (
            "Correct except at ties of the two, where autograd shares it evenly among them. "
            "Any share is a subgradient there."
        ),
        "da = ((a > c) + 0.5 * (a == c)) * dh",
        None,
    ),
    (
        "CORNERS",
        "",
        (
            "h = torch.where(a > 0, a, 0.1 * a)\n"
            "loss = (h * up).sum()\n"
            "dh = up\n"
            "da = torch.where(a > 0, 0.1 * dh, dh)"
        ),
        "da",
        "The mask is inverted.",
        "da = torch.where(a <= 0, 0.1 * dh, dh)",
        None,
    ),
    (
        "CORNERS",
        "",
        (
            "keep = (up > 0).float()\n"
            "h = a * keep\n"
            "loss = (h * up).sum()\n"
            "dh = up\n"
            "da = (1 - keep) * dh"
        ),
        "da",
        "The mask is inverted.",
        "da = keep * dh",
        None,
    ),
    (
        "CORNERS",
        "",
        ("h = F.relu(a)\nloss = (h * up).sum()\ndh = up\nda = dh * (a < 0)"),
        "da",
        "The mask is inverted.",
        "da = dh * (a > 0)",
        None,
    ),
]

OTHERS = [
    ("CORNERS", "", ("h = torch.relu(a)\nloss = (h * up).sum()\ndh = up\nda = (a > 1) * dh"), "da"),
    (
        "CORNERS",
        "",
        ("h = torch.relu(a)\nloss = (h * up).sum()\ndh = up\nda = 2 * (a > 0) * dh"),
        "da",
    ),
    ("CORNERS", "", ("h = a**2\nloss = (h * up).sum()\ndh = up\nda = a * dh"), "da"),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_ties_kinks_and_turned_masks_are_told_apart(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), tie.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != tie.CODE
