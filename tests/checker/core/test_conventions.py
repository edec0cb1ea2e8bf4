"""A factor that the file keeps in its gradients is no mistake; a factor in one place is."""

import pytest

from checker.core.programs_of_conventions import PROGRAMS

HEAD = """\
import torch
import torch.nn.functional as F
torch.manual_seed(0)
"""


def roots(report):
    """Return the message and the corrected line of each gradient with a line to blame."""
    return {r.hand: (r.message, r.fix) for r in report.rows if r.blame == "root"}


@pytest.mark.parametrize(("note", "code"), PROGRAMS.values(), ids=PROGRAMS)
def test_a_factor_kept_everywhere_is_noted_once(check, note, code):
    report = check(HEAD + code)
    rows = [row for row in report.rows if row.hand]
    assert {row.verdict for row in rows} <= {"exact", "rounding"}
    assert {row.blame for row in rows} == {None}
    assert [n.message for n in report.notes if n.code != "HG214"] == [note]


MISTAKES = {
    # the program, a line of it, the line with a mistake, the gradient, the message, the fix
    "a lost factor": (
        "m times in a loop", "db2 = dZ2.sum(1, keepdim=True) / m", "db2 = dZ2.sum(1, keepdim=True)",
        "db2", "This line takes the sum; the mean is correct.",
        "db2 = dZ2.mean(1, keepdim=True)",
    ),
    "a factor too many": (
        "m times in a loop", "* (1 - A1**2)", "* (1 - A1**2) / m",
        "dZ1", "Off by the factor 1 / m, where m = 10 (the columns of Z1).",
        "dZ1 = (W2.T @ dZ2) * (1 - A1**2)",
    ),
    "a sign": (
        "n times, beside backward()", "dW = x.T @ dz / 8", "dW = -x.T @ dz / 8",
        "dW", "Wrong sign: this is the negative of the correct gradient.", "dW = x.T @ dz / 8",
    ),
    "the wrong mask": (
        "m times, with the gradient of the data", "dZ1 = dA1 * (Z1 > 0)", "dZ1 = dA1 * (Z1 < 0)",
        "dZ1", "The mask is inverted.", "dZ1 = dA1 * (Z1 >= 0)",
    ),
    "one bias with a mean": (
        "a printed mean", "dW1 = x.T @ dz", "dW1 = x.T @ dz / 8",
        "dW1", "Off by the factor 1 / z.shape[0], where z.shape[0] = 8 (the rows of z).",
        "dW1 = x.T @ dz",
    ),
    "the first line": (
        "m times in a loop", "dZ2 = A2 - Y", "dZ2 = A2 + Y",
        "dZ2", "The sign of Y is wrong.", "dZ2 = A2 - Y",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_beside_a_kept_factor_is_found(check, mistake):
    name, line, wrong, hand, message, fix = mistake
    code = PROGRAMS[name][1]
    assert code.count(line) == 1
    report = check(HEAD + code.replace(line, wrong))
    assert roots(report) == {hand: (message, fix)}


ONE = """\
x = torch.randn(8, 4); y = torch.randint(0, 3, (8,)); W = torch.randn(4, 3); b = torch.randn(3)
z = x @ W + b
loss = F.cross_entropy(z, y)
dz = torch.softmax(z, 1) - F.one_hot(y, 3)
dW = x.T @ dz
db = dz.sum(0)
"""


def test_without_an_update_the_loss_counts_as_it_is_written(check):
    assert roots(check(HEAD + ONE)) == {
        "dz": (
            "All of dz is z.shape[0] times the correct gradient.",
            "dz = (torch.softmax(z, 1) - F.one_hot(y, 3)) / z.shape[0]",
        )
    }


def test_minus_the_gradient_is_wrong_where_the_update_subtracts_it(check):
    code = PROGRAMS["minus the gradients, added"][1].replace("+ 0.1 *", "- 0.1 *")
    assert roots(check(HEAD + code)) == {
        "dp": ("Wrong sign: this is the negative of the correct gradient.", "dp = p - y")
    }


def test_a_factor_that_one_line_adds_and_the_next_removes_is_two_mistakes(check):
    code = PROGRAMS["a printed mean"][1]
    code = code.replace("dh = dp", "dh = 2 * dp").replace("dz = dh *", "dz = 0.5 * dh *")
    report = check(HEAD + code)
    assert roots(report).keys() == {"dh", "dz"}
