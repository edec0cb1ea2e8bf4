"""What holds nothing to check, told before and after it has run."""

import pytest

from checker.core.conftest import START
from handgrad.checker.record.source_names import has_hand_gradients
from handgrad.errors import CheckError


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (START, "it: nothing to check: no loss was computed from named tensors"),
        (
            START + "a = w.sum()\nb = w.prod()",
            "it: nothing to check: no gradient is written by hand",
        ),
        (
            START + "y = x @ w\ndy = 2 * y",
            "it: nothing to check: no loss was computed from named tensors",
        ),
        (
            START + "y = (w**2).sum()\nz = (w**3).sum()\ndw = 5 * w",
            "it: several candidates for the loss: y (line 7), z (line 8); call backward() on one "
            "of them, or name it loss",
        ),
        (
            START + "y = x @ w\nloss = (y**2).mean()\nloss.backward()\ndone = x + 1",
            "it: nothing to check: no gradient is written by hand",
        ),
    ],
)
def test_what_cannot_be_graded_is_refused_in_one_line(check, code, message):
    with pytest.raises(CheckError) as refusal:
        check(code)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("h = f(x)\ndh = g(h)", True),
        ("%matplotlib inline\nh = 1\ndh = 2", True),
        ("def f(h):\n    dh = 2 * h", True),
        ("h[0] = 1\ngrads['h'] = 3\ngrad_h = 2", True),
        ("cmp('x', delta, y)\ncmp('dh', dh, zprebn)", True),
        ("data = 3\ndim = 2\nloss.backward()", False),
        ("if h == dh: pass", False),
        ("", False),
    ],
)
def test_gradients_by_hand_are_seen_in_the_source_alone(source, expected):
    assert has_hand_gradients(source) is expected


PAIRED = "y = w**2\nloss = y.sum()\nloss.backward()\nslope = torch.ones_like(y)\n"


def test_a_pair_of_a_name_that_is_nowhere_is_said(check):
    with pytest.raises(CheckError) as caught:
        check(START + PAIRED + "slope = 3 * slope", pairs={"slope": "v"})
    assert str(caught.value) == "it: the pair slope=v: no tensor is named v"


def test_a_pair_that_is_nowhere_beside_one_that_is_there_is_noted(check):
    report = check(START + PAIRED, pairs={"slope": "y", "incline": "w"})
    assert [(row.hand, row.verdict) for row in report.rows if row.hand] == [("slope", "exact")]
    (note,) = [note for note in report.notes if note.code == "HG218"]
    assert note.message == "the pair incline=w: no tensor is named incline"
