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
            "`+=` keeps one row where Xb repeats an index; index_put_ with accumulate=True "
            "adds all of them."
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
            "`=` keeps one row where Xb repeats an index; index_put_ with accumulate=True "
            "adds all of them."
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
            "Without accumulate=True, index_put_ keeps only the last value; with it, it adds "
            "all values for one index."
        ),
        "dC.index_put_((Xb,), demb, accumulate=True)",
        None,
    ),
    (
        "LECTURE",
        "dC.index_put_((Xb,), demb, accumulate=True)",
        ("for k in range(n):\n    for j in range(block_size):\n        dC[Xb[k, j]] = demb[k, j]"),
        "dC",
        "`=` keeps only the last value for dC[Xb[k, j]]; `+=` adds all of them.",
        "dC[Xb[k, j]] += demb[k, j]",
        None,
    ),
    (
        "EMBEDDING",
        "",
        ("dtable = torch.zeros_like(table)\ndtable[tokens] += dvectors"),
        "dtable",
        (
            "`+=` keeps one row where tokens repeats an index; index_put_ with "
            "accumulate=True adds all of them."
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
            "Without accumulate=True, index_put_ keeps only the last value; with it, it adds "
            "all values for one index."
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
        ("scatter_ keeps only the last value; scatter_add_ adds all values for one index."),
        "dtable.scatter_add_(0, rows, dvectors.view(-1, width))",
        None,
    ),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = torch.softmax(logits, dim=1)\ndlogits[range(n), y] = -1\ndlogits /= n"),
        "dlogits",
        ("`=` replaces the value at dlogits[range(n), y]; subtract from it instead."),
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
        "`=` keeps only the last iteration of the loop; `+=` adds all of them.",
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
