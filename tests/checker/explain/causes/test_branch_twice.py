"""HG136: branch added twice."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import branch_twice

CASES = [
    (
        "LECTURE",
        "dbndiff += 2 * bndiff * dbndiff2",
        ("dbndiff += 2 * bndiff * dbndiff2\ndbndiff += 2 * bndiff * dbndiff2"),
        "dbndiff",
        (
            "dbndiff is complete on line 56; this line adds the contribution through bndiff2 to it "
            "again. Remove it."
        ),
        "# dbndiff += 2 * bndiff * dbndiff2",
        None,
    ),
    (
        "LECTURE",
        "dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani",
        ("dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani + dbndiff"),
        "dhprebn",
        "dhprebn contains the contribution through bndiff twice.",
        "dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani",
        None,
    ),
    (
        "LECTURE",
        "dbndiff += 2 * bndiff * dbndiff2",
        "dbndiff += bnvar_inv * dbnraw",
        "dbndiff",
        (
            "The contribution through bnraw is added twice: dbndiff already contains it; the "
            "contribution through bndiff2 belongs here."
        ),
        "dbndiff += 2 * bndiff * dbndiff2",
        None,
    ),
    (
        "RESIDUAL",
        "",
        ("du = dout + ((1 - branch**2) * dbranch) @ w.T\ndu += dout"),
        "du",
        (
            "du is complete on line 11; this line adds the contribution through out to it again. "
            "Remove it."
        ),
        "# du += dout",
        None,
    ),
    (
        "RESIDUAL",
        "",
        "du = dout + dout + ((1 - branch**2) * dbranch) @ w.T",
        "du",
        "du contains the contribution through out twice.",
        "du = dout + ((1 - branch**2) * dbranch) @ w.T",
        None,
    ),
    (
        "CORNERS",
        "",
        ("h = a * 3\nloss = (h * up).sum()\ndh = up\nda = 3 * dh\nda += 3 * dh"),
        "da",
        (
            "da is complete on line 8; this line adds the contribution through h to it again. "
            "Remove it."
        ),
        "# da += 3 * dh",
        None,
    ),
]

OTHERS = [
    ("CORNERS", "", ("h = a * 3\nloss = (h * up).sum()\ndh = up\nda = 2 * 3 * dh"), "da"),
    ("RESIDUAL", "", "du = 2 * (dout + ((1 - branch**2) * dbranch) @ w.T)", "du"),
    (
        "EMBEDDING",
        "",
        (
            "dtable = torch.zeros_like(table)\n"
            "dtable.index_put_((tokens,), 2 * dvectors, accumulate=True)"
        ),
        "dtable",
    ),
    ("RESIDUAL", "", "du = dout + 1.5 * dout + ((1 - branch**2) * dbranch) @ w.T", "du"),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_the_branch_that_is_there_twice_is_named(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), branch_twice.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != branch_twice.CODE
