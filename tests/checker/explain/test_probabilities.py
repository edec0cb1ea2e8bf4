"""Closed forms of softmax and cross-entropy that no edit corrects."""

import pytest

from checker.sessions import run_all
from handgrad.checker.session import Session

PROGRAM = """import torch
import torch.nn.functional as F
torch.manual_seed(0)
n, y = 6, torch.randint(0, 5, (6,))
logits = torch.randn(n, 5, requires_grad=True) * 2
counts = (logits - logits.max(1, keepdim=True).values).exp()
counts_sum = counts.sum(1, keepdim=True)
probs = counts / counts_sum
loss = -probs.log()[range(n), y].mean()
loss.backward()
hot = F.one_hot(y, 5)
"""
ALL = (
    "The gradient of softmax and cross-entropy is the probabilities softmax(logits), minus 1 at "
    "each row's target, divided by the number of rows."
)
FIX = "dlogits = (torch.softmax(logits, 1) - torch.nn.functional.one_hot(y, 5)) / n"


def rows(lines):
    session = Session()
    assert run_all(session, PROGRAM + lines, {}) == []
    return [row for row in session.finish("it").rows if row.hand is not None]


@pytest.mark.parametrize(
    ("lines", "message", "fix"),
    [
        (
            "dlogits = torch.where(hot == 1, probs - 1, -1 / counts_sum) / n",
            f"{ALL} This line is correct at the targets and wrong for the other classes.",
            FIX,
        ),
        (
            "dlogits = torch.zeros(n, 5)\n"
            "for i in range(n):\n"
            "    for j in range(5):\n"
            "        dlogits[i, j] = probs[i, j] - 1 if j == y[i] else -1 / counts_sum[i, 0]\n"
            "dlogits /= n",
            f"{ALL} This line is correct at the targets and wrong for the other classes.",
            None,
        ),
        ("dlogits = probs * 0.3 - hot / 7", ALL, FIX),
        (
            "dlogits = probs * (1 - hot) / n",
            f"{ALL} This line is correct for the other classes and wrong at the targets.",
            FIX,
        ),
    ],
)
def test_the_closed_form_is_offered_with_what_differs(lines, message, fix):
    (row,) = rows(lines)
    assert (row.cause, row.message, row.fix) == ("HG120", message, fix)


def test_the_correct_form_is_silent():
    (row,) = rows("dlogits = (probs - hot) / n")
    assert row.verdict in ("exact", "rounding")
    assert row.blame is None
