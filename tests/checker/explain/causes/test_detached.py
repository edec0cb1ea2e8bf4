"""HG133: detached path."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import detached

CASES = [
    (
        "CORNERS",
        "",
        (
            "w = a.exp()\n"
            "m = w.detach() * a\n"
            "loss = (m * up).sum()\n"
            "dm = up\n"
            "da = w * dm\n"
            "da += w * a * dm"
        ),
        "da",
        (
            "The forward pass detaches a path to a (`m = w.detach() * a`, line 6), but this "
            "line sends a gradient along it; autograd does not. Leave this line out, or do "
            "not detach there."
        ),
        "# da += w * a * dm",
        None,
    ),
    (
        "CORNERS",
        "",
        (
            "with torch.no_grad():\n"
            "    w = a.exp()\n"
            "m = w * a\n"
            "loss = (m * up).sum()\n"
            "loss.backward()\n"
            "dm = up\n"
            "da = w * dm + w * a * dm"
        ),
        "da",
        (
            "The forward pass detaches a path to a (`w = a.exp()`, line 6), but this line "
            "sends a gradient along it; autograd does not. Leave it out, or do not detach "
            "there."
        ),
        "da = w * dm",
        None,
    ),
    (
        "CORNERS",
        "",
        ("w = a.exp()\nm = w.data * a\nloss = (m * up).sum()\ndm = up\nda = w * a * dm + w * dm"),
        "da",
        (
            "The forward pass detaches a path to a (`m = w.data * a`, line 6), but this line "
            "sends a gradient along it; autograd does not. Leave it out, or do not detach "
            "there."
        ),
        "da = w * dm",
        None,
    ),
    (
        "RESIDUAL",
        "",
        (
            "v = x.detach()\n"
            "r = v * out\n"
            "loss = (r * up).sum()\n"
            "dr = up\n"
            "dx = out * dr + 1.5 * (v * dr + ((1 - branch**2) * v * dr) "
            "@ w.T)"
        ),
        "dx",
        (
            "The forward pass detaches a path to x (`v = x.detach()`, line 11), but this line"
            " sends a gradient along it; autograd does not. Leave it out, or do not detach "
            "there."
        ),
        "dx = 1.5 * (v * dr + ((1 - branch**2) * v * dr) @ w.T)",
        None,
    ),
]

OTHERS = [
    (
        "CORNERS",
        "",
        ("w = a.exp()\nm = w.detach() * a\nloss = (m * up).sum()\ndm = up\nda = 2 * w * dm"),
        "da",
    ),
    (
        "CORNERS",
        "",
        ("w = a.exp()\nm = w * a\nloss = (m * up).sum()\ndm = up\nda = w * dm + 1.7 * w * a * dm"),
        "da",
    ),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_the_path_that_the_forward_detaches_is_named(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), detached.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != detached.CODE
