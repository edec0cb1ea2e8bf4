"""A file that computes no loss is judged by a natural one, which a note names."""

import pytest

from checker.core.programs_of_natural_losses import NET, PROGRAMS
from handgrad.errors import CheckError

HEAD = """\
import torch
import torch.nn.functional as F
torch.manual_seed(0)
"""


@pytest.mark.parametrize(("loss", "code"), PROGRAMS.values(), ids=PROGRAMS)
def test_gradients_that_are_right_for_a_natural_loss_are_called_right(check, loss, code):
    report = check(HEAD + code)
    rows = [row for row in report.rows if row.hand]
    assert {row.verdict for row in rows} <= {"exact", "rounding"}
    assert {row.blame for row in rows} == {None}
    notes = [n.message for n in report.notes if n.code not in ("HG214", "HG222")]
    assert notes == [
        "the file computes no loss: its gradients are judged as those of the summed " + loss + "."
    ]


MISTAKES = {
    "another operand": (
        "targets minus outputs", "layer_1 * (1 - layer_1)", "layer_1 * (1 - z1)", "dz1",
        "z1 is used where layer_1 belongs.", "dz1 = dlayer_1 * layer_1 * (1 - layer_1)",
    ),
    "a mean for a sum": (
        "softmax at the targets", "db = dz.sum(0)", "db = dz.mean(0)", "db",
        "This line takes the mean; the sum is correct.", "db = dz.sum(0)",
    ),
    "a sign": (
        "sigmoid, a column for each example", "(1 - A1**2)", "(1 + A1**2)", "dZ1",
        "The sign of A1**2 is wrong.", "dZ1 = (W2.T @ dZ2) * (1 - A1**2)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_without_a_loss(check, mistake):
    name, line, wrong, hand, message, fix = mistake
    code = PROGRAMS[name][1]
    assert code.count(line) == 1
    rows = check(HEAD + code.replace(line, wrong)).rows
    roots = {r.hand: (r.message, r.fix) for r in rows if r.blame == "root"}
    assert roots == {hand: (message, fix)}


def test_no_loss_is_invented_where_no_gradient_is_by_hand(check):
    code = "x = torch.randn(8, 4); y = torch.randn(8, 2); W = torch.randn(4, 2)\n"
    code += "p = x @ W\nd = (p - y).abs()"
    with pytest.raises(CheckError, match="no loss was computed from named tensors"):
        check(HEAD + code)


INSIDE = """\
x = torch.randn(8, 4); shift = torch.randn(8, 2); W = torch.randn(4, 2)
p = x @ W
q = p - shift
r = torch.tanh(q)
dr = r * 0.1
dq = dr * (1 - r**2)
dW = x.T @ dq
"""


def test_a_difference_inside_the_forward_pass_gives_no_loss(check):
    assert {r.verdict for r in check(HEAD + INSIDE).rows if r.hand} <= {"exact", "rounding"}


def test_a_loss_in_the_file_counts_as_it_is_written(check):
    code = NET.format(printed="").split("for j")[0] + (
        "layer_1 = torch.sigmoid(X @ synapse_0)\n"
        "layer_2 = layer_1 @ synapse_1\n"
        "loss = ((layer_2 - y)**4).sum()\n"
        "dlayer_2 = layer_2 - y\n"
        "dsynapse_1 = layer_1.T @ dlayer_2\n"
    )
    report = check(HEAD + code)
    assert {r.hand for r in report.rows if r.blame == "root"} == {"dlayer_2"}
    assert [n.code for n in report.notes] == []
