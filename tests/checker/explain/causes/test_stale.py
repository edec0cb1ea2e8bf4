"""HG128: names that stand for something else than they did in the forward pass."""

import pytest

from checker.explain.causes.conftest import assert_told
from checker.explain.causes.programs import NETWORK, NORM, TOP
from handgrad.checker.explain.causes import stale

DOWN_TO_W = f"{TOP}{NORM}dc += 2 * c * dc2\ndz = dc - dc.mean(0)\ndW = x.T @ dz"
AGAIN = NETWORK[NETWORK.index("z = x") :]
SET_AGAIN = "{} is not what the forward pass used: it was set again in between (line 17)."

CASES = [
    (
        "NETWORK",
        "",
        f"n = 16\n{DOWN_TO_W}",
        "dlogits",
        "n was 8 in the forward pass and is 16 here.",
        "dlogits = (F.softmax(logits, 1) - F.one_hot(y, 4)) / logits.shape[0]",
        None,
    ),
    (
        "NETWORK",
        "",
        f"for n in range(3): pass\n{DOWN_TO_W}",
        "dlogits",
        "n was 8 in the forward pass and is 2 here.",
        "dlogits = (F.softmax(logits, 1) - F.one_hot(y, 4)) / logits.shape[0]",
        None,
    ),
    (
        "NETWORK",
        "",
        f"y = torch.randint(0, 4, (n,))\n{DOWN_TO_W}",
        "dlogits",
        SET_AGAIN.format("y"),
        None,
        None,
    ),
    ("NETWORK", "", f"x = torch.randn(n, 5)\n{DOWN_TO_W}", "dW", SET_AGAIN.format("x"), None, None),
    (
        "NETWORK",
        "",
        f"{TOP}x, y = torch.randn(n, 5), torch.randint(0, 4, (n,))\n{AGAIN}dV = h.T @ dlogits",
        "dV",
        "dlogits is left over from an earlier forward pass: logits was computed again since "
        "(line 26), dlogits was not.",
        TOP.strip(),
        (27, True),
    ),
]

OTHERS = [
    # set again, to what it was
    (
        "NETWORK",
        "",
        "n = 8\ndlogits = 2 * (F.softmax(logits, 1) - F.one_hot(y, 4)) / n",
        "dlogits",
    ),
    # set again, and not read
    ("NETWORK", "", "n = 16\ndlogits = (F.softmax(logits, 1) + F.one_hot(y, 4)) / 8", "dlogits"),
    # another tensor, the same value
    ("NETWORK", "", f"h = h.clone()\n{TOP}dV = -h.T @ dlogits", "dV"),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_the_name_that_changed_is_told(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), stale.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    row = row_of(program, original, lines, hand)
    assert row.blame == "root"
    assert row.cause not in (stale.CODE, None)


NOT_MADE_AGAIN = """import torch
torch.manual_seed(0)
w = torch.randn(4, 3, requires_grad=True)
v = torch.randn(3, 2, requires_grad=True)
x = torch.randn(6, 4)
h = torch.tanh(x @ w)
loss = ((h @ v)**2).sum()
loss.backward()
x = torch.randn(6, 4)
o = torch.tanh(x @ w) @ v
loss = (o**2).sum()
loss.backward()
do = 2 * o
dv = h.T @ do
"""


def test_a_value_that_the_second_batch_does_not_make_again(explained) -> None:
    message = (
        "h is left over from an earlier forward pass (line 6): this one computes its value again, "
        "but not under that name."
    )
    assert_told(
        explained(NOT_MADE_AGAIN, "dv"), stale.CODE, message, "dv = torch.tanh(x @ w).T @ do", None
    )


def test_a_value_that_the_second_batch_makes_again_is_not_stale(reported) -> None:
    program = NOT_MADE_AGAIN.replace(
        "o = torch.tanh(x @ w) @ v", "h = torch.tanh(x @ w)\no = h @ v"
    )
    assert [row.verdict for row in reported(program).rows if row.hand] == ["exact", "exact"]
