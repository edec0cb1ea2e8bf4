"""HG125: in the wrong loop."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import wrong_loop

CASES = [
    (
        "RNN",
        "",
        (
            "for t in reversed(range(T)):\n"
            "    dWx = torch.zeros_like(Wx)\n"
            "    da = (1 - hs[t]**2) * dh\n"
            "    dWx += xs[t].T @ da\n"
            "    dh = da @ Wh.T"
        ),
        "dWx",
        (
            "`dWx = torch.zeros_like(Wx)` is inside the loop: each iteration discards what "
            "earlier iterations added. Move it above `for t in reversed(range(T)):`, line 14."
        ),
        "dWx = torch.zeros_like(Wx)",
        (13, True),
    ),
    (
        "RNN",
        "",
        (
            "for t in reversed(range(T)):\n"
            "    da = (1 - hs[t]**2) * dh\n"
            "    dh = da @ Wh.T\n"
            "dWx += xs[t].T @ da"
        ),
        "dWx",
        (
            "This line is below `for t in reversed(range(T)):`, so it adds only the last "
            "iteration: move it into that loop, below line 16."
        ),
        "dWx += xs[t].T @ da",
        (16, True),
    ),
    (
        "LECTURE",
        "dC.index_put_((Xb,), demb, accumulate=True)",
        (
            "for k in range(n):\n"
            "    for j in range(block_size):\n"
            "        ix = Xb[k, j]\n"
            "    dC[ix] += demb[k, j]"
        ),
        "dC",
        (
            "This line is below `for j in range(block_size):`, so it adds only the last "
            "iteration: move it into that loop, below line 67."
        ),
        "dC[ix] += demb[k, j]",
        (67, True),
    ),
    (
        "EMBEDDING",
        "",
        (
            "for i in range(2):\n"
            "    dtable = torch.zeros_like(table)\n"
            "    for j in range(3):\n"
            "        dtable[tokens[i, j]] += dvectors[i, j]"
        ),
        "dtable",
        (
            "`dtable = torch.zeros_like(table)` is inside the loop: each iteration discards "
            "what earlier iterations added. Move it above `for i in range(2):`, line 9."
        ),
        "dtable = torch.zeros_like(table)",
        (8, True),
    ),
]

OTHERS = [
    (
        "RNN",
        "",
        (
            "for t in reversed(range(T)):\n"
            "    dWx = torch.zeros_like(Wx)\n"
            "    da = (1 - hs[t]**2) * dh\n"
            "    dWx += 3 * xs[t].T @ da\n"
            "    dh = da @ Wh.T"
        ),
        "dWx",
    ),
    (
        "RNN",
        "",
        (
            "for t in reversed(range(T)):\n"
            "    da = (1 - hs[t]**2) * dh\n"
            "    dWx += xs[t - 1].T @ da\n"
            "    dh = da @ Wh.T"
        ),
        "dWx",
    ),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_the_line_is_told_its_loop(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), wrong_loop.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != wrong_loop.CODE
