"""HG129: a tensor computed again after the loss."""

import pytest

from checker.explain.causes.conftest import assert_told
from checker.explain.causes.programs import TOP
from handgrad.checker.explain.causes import rebuilt

BACK = f"{TOP}dh = dlogits @ V.T\ndV = h.T @ dlogits"
SAID = (
    "{} was computed again after the loss (line 17): this line reads the new tensor, "
    "but the loss came from the old one. With the old one this line is correct."
)

CASES = [
    ("NETWORK", "", f"{between}\n{BACK}", hand, SAID.format(name), fix, None)
    for between, hand, name, fix in (
        ("h = F.dropout(c * s, 0.5)", "dV", "h", "dV = (c * s).T @ dlogits"),
        ("h = torch.randn(n, 5) @ W", "dV", "h", "dV = (c * s).T @ dlogits"),
        ("V = (V - 0.1 * V.grad).detach()", "dh", "V", None),
    )
]

OTHERS = [
    # computed again, to the same value
    ("NETWORK", "", f"h = c * s\n{TOP}dV = -h.T @ dlogits", "dV"),
    ("NETWORK", "", f"h = h.clone()\n{TOP}dV = -h.T @ dlogits", "dV"),
    # under another name
    ("NETWORK", "", f"g = h * 2\n{TOP}dV = 2 * h.T @ dlogits", "dV"),
    # no node of the forward: a number, a batch
    ("NETWORK", "", f"n = 16\n{TOP}", "dlogits"),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_a_node_computed_again_is_told(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), rebuilt.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    row = row_of(program, original, lines, hand)
    assert row.blame == "root"
    assert row.cause not in (rebuilt.CODE, None)
