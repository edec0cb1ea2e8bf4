"""HG124: = where += is due."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import replaced

CASES = [
    (
        "LECTURE",
        "dC.index_put_((Xb,), demb, accumulate=True)",
        "dC[Xb] += demb",
        "dC",
        (
            "`+=` keeps one row for an index that Xb has several times; "
            "index_put_ with accumulate=True adds them all."
        ),
        "dC.index_put_((Xb,), demb, accumulate=True)",
        None,
    ),
    (
        "LECTURE",
        "dC.index_put_((Xb,), demb, accumulate=True)",
        "dC[Xb] = demb",
        "dC",
        (
            "`=` keeps one row for an index that Xb has several times; "
            "index_put_ with accumulate=True adds them all."
        ),
        "dC.index_put_((Xb,), demb, accumulate=True)",
        None,
    ),
    (
        "LECTURE",
        "dC.index_put_((Xb,), demb, accumulate=True)",
        "dC.index_put_((Xb,), demb)",
        "dC",
        (
            "Without accumulate=True, index_put_ keeps what came last; with it, "
            "it adds all that goes to one index."
        ),
        "dC.index_put_((Xb,), demb, accumulate=True)",
        None,
    ),
    (
        "LECTURE",
        "dC.index_put_((Xb,), demb, accumulate=True)",
        ("for k in range(n):\n    for j in range(block_size):\n        dC[Xb[k, j]] = demb[k, j]"),
        "dC",
        "`=` keeps what came last for dC[Xb[k, j]]; `+=` adds it up.",
        "dC[Xb[k, j]] += demb[k, j]",
        None,
    ),
    (
        "EMBEDDING",
        "",
        ("dtable = torch.zeros_like(table)\ndtable[tokens] += dvectors"),
        "dtable",
        (
            "`+=` keeps one row for an index that tokens has several times; "
            "index_put_ with accumulate=True adds them all."
        ),
        "dtable.index_put_((tokens,), dvectors, accumulate=True)",
        None,
    ),
    (
        "EMBEDDING",
        "",
        (
            "dtable = torch.zeros_like(table)\n"
            "dtable.index_put_((tokens,), dvectors, accumulate=False)"
        ),
        "dtable",
        (
            "Without accumulate=True, index_put_ keeps what came last; with it, "
            "it adds all that goes to one index."
        ),
        "dtable.index_put_((tokens,), dvectors, accumulate=True)",
        None,
    ),
    (
        "EMBEDDING",
        "",
        (
            "dtable = torch.zeros_like(table)\n"
            "rows = tokens.view(-1, 1).expand(-1, width)\n"
            "dtable.scatter_(0, rows, dvectors.view(-1, width))"
        ),
        "dtable",
        ("scatter_ keeps what came last; scatter_add_ adds all that goes to one index."),
        "dtable.scatter_add_(0, rows, dvectors.view(-1, width))",
        None,
    ),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = torch.softmax(logits, dim=1)\ndlogits[range(n), y] = -1\ndlogits /= n"),
        "dlogits",
        ("`=` throws away what stood at dlogits[range(n), y]; it is to be subtracted from it."),
        "dlogits[range(n), y] -= 1",
        None,
    ),
    (
        "RNN",
        "",
        (
            "for t in reversed(range(T)):\n"
            "    da = (1 - hs[t]**2) * dh\n"
            "    dWx = xs[t].T @ da\n"
            "    dh = da @ Wh.T"
        ),
        "dWx",
        "`=` keeps the loop's last turn alone; `+=` adds all of them up.",
        "dWx += xs[t].T @ da",
        None,
    ),
]

OTHERS = [
    (
        "EMBEDDING",
        "",
        ("dtable = torch.zeros_like(table)\ndtable[tokens] = 2 * dvectors"),
        "dtable",
    ),
    (
        "RNN",
        "",
        (
            "for t in reversed(range(T)):\n"
            "    da = (1 - hs[t]**2) * dh\n"
            "    dWx = 2 * xs[t].T @ da\n"
            "    dh = da @ Wh.T"
        ),
        "dWx",
    ),
    ("RESIDUAL", "", ("du = dout.clone()\ndu = ((1 - branch**2) * dbranch) @ w.t()"), "du"),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_what_is_replaced_is_to_be_added(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), replaced.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != replaced.CODE
