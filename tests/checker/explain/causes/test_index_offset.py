"""HG135: index off by one."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import index_offset

CASES = [
    (
        "RNN",
        "",
        (
            "for t in reversed(range(T)):\n"
            "    da = (1 - hs[t]**2) * dh\n"
            "    dWh += hs[t].T @ da\n"
            "    dh = da @ Wh.T"
        ),
        "dWh",
        "Off by one: use hs[t - 1] instead of hs[t].",
        "dWh += hs[t - 1].T @ da",
        None,
    ),
    (
        "RNN",
        "",
        (
            "for t in reversed(range(1, T)):\n"
            "    da = (1 - hs[t]**2) * dh\n"
            "    dWx += xs[t].T @ da\n"
            "    dh = da @ Wh.T"
        ),
        "dWx",
        ("Off by one: the loop over reversed(range(1, T)) must run over reversed(range(T))."),
        "for t in reversed(range(T)):",
        (14, False),
    ),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = F.softmax(logits, 1)\ndlogits[range(n), y - 1] -= 1\ndlogits /= n"),
        "dlogits",
        ("Off by one: use dlogits[range(n), y] instead of dlogits[range(n), y - 1]."),
        "dlogits[range(n), y] -= 1",
        (9, False),
    ),
    (
        "CORNERS",
        "",
        (
            "h = a[:, 1:] - a[:, :-1]\n"
            "loss = (h * up[:, 1:]**2).sum()\n"
            "dh = up[:, 1:]**2\n"
            "da = torch.zeros_like(a)\n"
            "da[:, 1:] += dh\n"
            "da[:, 1:] -= dh"
        ),
        "da",
        "Off by one: use da[:, :-1] instead of da[:, 1:].",
        "da[:, :-1] -= dh",
        None,
    ),
    (
        "CORNERS",
        "",
        ("h = torch.roll(a, 1, 1)\nloss = (h * up).sum()\ndh = up\nda = torch.roll(dh, 1, 1)"),
        "da",
        ("Off by one: use torch.roll(dh, -1, 1) instead of torch.roll(dh, 1, 1)."),
        "da = torch.roll(dh, -1, 1)",
        None,
    ),
    (
        "CORNERS",
        "",
        (
            "h = a.cumsum(1)\n"
            "loss = (h * up).sum()\n"
            "dh = up\n"
            "da = dh @ torch.tril(torch.ones(4, 4), 1)"
        ),
        "da",
        (
            "Off by one: use torch.tril(torch.ones(4, 4), 0) instead of "
            "torch.tril(torch.ones(4, 4), 1)."
        ),
        "da = dh @ torch.tril(torch.ones(4, 4), 0)",
        None,
    ),
]

OTHERS = [
    (
        "RNN",
        "",
        (
            "for t in reversed(range(T)):\n"
            "    da = (1 - hs[t]**2) * dh\n"
            "    dWh += 2 * hs[t].T @ da\n"
            "    dh = da @ Wh.T"
        ),
        "dWh",
    ),
    (
        "CORNERS",
        "",
        ("h = torch.roll(a, 2, 1)\nloss = (h * up).sum()\ndh = up\nda = torch.roll(dh, 1, 0)"),
        "da",
    ),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = F.softmax(logits, 1)\ndlogits[range(n), y] += 1\ndlogits /= n"),
        "dlogits",
    ),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_the_index_is_moved_by_one(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), index_offset.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != index_offset.CODE


PICKED = """torch.manual_seed(0)
x = torch.randn(4, 6, requires_grad=True)
at = torch.tensor([[0, 3], [1, 5], [2, 4], [0, 0]])
out = torch.stack([x[i, at[i, j]] for i in range(4) for j in range(2)]).view(4, 2)
loss = (out**3).sum()
loss.backward()
dout = 3 * out**2
dx = torch.zeros_like(x)
for i in range(4):
    for j in range(2):
        dx[{}] += dout[i, j]
"""


def test_the_place_of_another_line(explained) -> None:
    row = explained(PICKED.format("i, 2 * j"), "dx")
    assert (row.cause, row.message, row.fix) == (
        index_offset.CODE,
        "dx[i, 2 * j] is used where dx[i, at[i, j]] belongs.",
        "dx[i, at[i, j]] += dout[i, j]",
    )


def test_the_right_place_is_not_blamed(reported) -> None:
    rows = reported(PICKED.format("i, at[i, j]")).rows
    assert [row.verdict for row in rows if row.hand] == ["exact", "exact"]
