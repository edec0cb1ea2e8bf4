"""HG120: softmax and cross-entropy's closed form."""

import pytest

from checker.explain.causes.conftest import assert_told
from handgrad.checker.explain.causes import softmax_cross_entropy

CASES = [
    (
        "CROSS_ENTROPY",
        "",
        "dlogits = F.softmax(logits, 1) / n",
        "dlogits",
        (
            "The one-hot term is missing: subtract 1 from the probability of each "
            "row's target class."
        ),
        "dlogits[range(n), y] -= 1 / n",
        (8, True),
    ),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = F.softmax(logits, 1)\ndlogits[range(n), y] -= 1"),
        "dlogits",
        "All of dlogits is n times the correct gradient.",
        "dlogits /= n",
        (9, True),
    ),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = F.log_softmax(logits, dim=1)\ndlogits[range(n), y] -= 1\ndlogits /= n"),
        "dlogits",
        "log_softmax is used where the probabilities are needed: use softmax.",
        "dlogits = F.softmax(logits, dim=1)",
        None,
    ),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = F.softmax(logits, 1)\ndlogits /= n\ndlogits[range(n), y] -= 1"),
        "dlogits",
        ("The one-hot term is n times the correct one: both terms are divided by n."),
        "dlogits[range(n), y] -= 1 / n",
        None,
    ),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = F.softmax(logits, 1)\ndlogits[:, y] -= 1\ndlogits /= n"),
        "dlogits",
        (
            "[:, y] selects all of these classes in every row; [range(n), ...] "
            "selects one class per row."
        ),
        "dlogits[range(n), y] -= 1",
        None,
    ),
    (
        "CROSS_ENTROPY",
        "",
        "dlogits = F.softmax(logits, 1) - F.one_hot(y, V) / n",
        "dlogits",
        "The factor 1 / n applies to both terms: the mean divides the whole loss.",
        "dlogits = (F.softmax(logits, 1) - F.one_hot(y, V)) / n",
        None,
    ),
    (
        "CROSS_ENTROPY",
        "",
        "dlogits = (logits - F.one_hot(y, V)) / n",
        "dlogits",
        "logits is used where its probabilities are needed: softmax(logits).",
        "dlogits = (torch.softmax(logits, 1) - F.one_hot(y, V)) / n",
        None,
    ),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = (F.softmax(logits, 1) - F.one_hot(y, V)) / n\ndlogits /= n"),
        "dlogits",
        "All of dlogits is 1 / n times the correct gradient: it is scaled twice. Remove this line.",
        "# dlogits /= n",
        None,
    ),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = F.softmax(logits, 1)\ndlogits[range(n), y] -= 1\ndlogits /= V"),
        "dlogits",
        "The count is V, but the mean is taken over n.",
        "dlogits /= n",
        None,
    ),
    (
        "STEPWISE_LOSS",
        "",
        "dscores = p / N",
        "dscores",
        (
            "The one-hot term is missing: subtract 1 from the probability of each "
            "row's target class."
        ),
        "dscores[range(N), target] -= 1 / N",
        (10, True),
    ),
    (
        "STEPWISE_LOSS",
        "",
        "dscores = p - F.one_hot(target, K)",
        "dscores",
        "All of dscores is N times the correct gradient.",
        "dscores = (p - F.one_hot(target, K)) / N",
        None,
    ),
    (
        "LECTURE",
        ("dlogits += F.one_hot(logits.max(1).indices, num_classes=logits.shape[1]) * dlogit_maxes"),
        ("dlogits = F.softmax(logits, 1)\ndlogits /= n"),
        "dlogits",
        (
            "The one-hot term is missing: subtract 1 from the probability of each "
            "row's target class."
        ),
        "dlogits[range(n), Yb] -= 1 / n",
        (45, True),
    ),
]

OTHERS = [
    ("CROSS_ENTROPY", "", "dlogits = (F.one_hot(y, V) - F.softmax(logits, 1)) / n", "dlogits"),
    (
        "CROSS_ENTROPY",
        "",
        ("dlogits = F.softmax(logits, 0)\ndlogits[range(n), y] -= 1\ndlogits /= n"),
        "dlogits",
    ),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_it_names_the_wrong_term(row_of, program, original, lines, hand, message, fix, at) -> None:
    assert_told(
        row_of(program, original, lines, hand), softmax_cross_entropy.CODE, message, fix, at
    )


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != softmax_cross_entropy.CODE
