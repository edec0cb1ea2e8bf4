"""HG101: missing branch."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import missing_branch

CASES = [
    (
        "RESIDUAL",
        "",
        "du = dout",
        "du",
        "du lacks the contribution through branch.",
        ("du = (1 - branch**2) * dbranch @ w.T\ndu += dout"),
        None,
    ),
    (
        "RESIDUAL",
        "",
        "du = (1 - branch**2) * dbranch @ w.T",
        "du",
        "du lacks the contribution through out.",
        "du += dout",
        (11, True),
    ),
    (
        "RESIDUAL",
        "",
        ("du = dout.clone()\ndu = ((1 - branch**2) * dbranch) @ w.t()"),
        "du",
        (
            "du lacks the contribution through out: `=` replaces the previous value, `+=` "
            "adds to it."
        ),
        "du += ((1 - branch**2) * dbranch) @ w.t()",
        None,
    ),
    (
        "TIED",
        "",
        ("dE = torch.zeros_like(E)\ndE.index_add_(0, ids, dh)"),
        "dE",
        "dE lacks the contribution through logits.",
        "dE += dlogits.T @ h",
        (12, True),
    ),
    (
        "EMBEDDING",
        "",
        "dtable = torch.zeros_like(table)",
        "dtable",
        (
            "dtable keeps these zeros: the line that adds the contribution through vectors is"
            " missing."
        ),
        "dtable.index_put_((tokens,), dvectors, accumulate=True)",
        (9, True),
    ),
    (
        "LECTURE",
        "dlogprobs[torch.arange(n), Yb] = -1.0 / n",
        "",
        "dlogprobs",
        (
            "dlogprobs keeps these zeros: the line that adds the contribution through loss is"
            " missing."
        ),
        "dlogprobs[range(n), Yb] = -1 / n",
        (34, True),
    ),
    (
        "LECTURE",
        "dC.index_put_((Xb,), demb, accumulate=True)",
        "",
        "dC",
        ("dC keeps these zeros: the line that adds the contribution through emb is missing."),
        "dC.index_put_((Xb,), demb, accumulate=True)",
        (64, True),
    ),
    (
        "LECTURE",
        "dcounts += torch.ones_like(counts) * dcounts_sum",
        "",
        "dcounts",
        "dcounts lacks the contribution through counts_sum.",
        "dcounts += dcounts_sum",
        (39, True),
    ),
    (
        "LECTURE",
        "dbndiff += 2 * bndiff * dbndiff2",
        "dbndiff = 2 * bndiff * dbndiff2",
        "dbndiff",
        (
            "dbndiff lacks the contribution through bnraw: `=` replaces the previous value, "
            "`+=` adds to it."
        ),
        "dbndiff += 2 * bndiff * dbndiff2",
        None,
    ),
]

OTHERS = [
    ("RESIDUAL", "", "du = dout + 0.5 * ((1 - branch**2) * dbranch) @ w.T", "du"),
    ("RESIDUAL", "", "du = torch.zeros_like(u) + dout * 2", "du"),
    ("EMBEDDING", "", ("dtable = torch.zeros_like(table)\ndtable[tokens] += dvectors"), "dtable"),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_the_branch_that_is_not_there_is_named_and_its_line_written(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), missing_branch.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != missing_branch.CODE
