"""Right values in the wrong shape, and values that only look like it: each message whole."""

import pytest

HEAD = """
import torch
import torch.nn.functional as F
torch.manual_seed(0)
"""
TOTAL = """
x = torch.randn(16, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
sq = x**2 + b
total = sq.sum(0, keepdim=True)
loss = (total**2).mean()
loss.backward()
dtotal = 2 * total / 3
dsq = dtotal.expand_as(sq)
db = dsq.sum(0)
dx = 2 * x * dsq
"""
VARIANCE = """
n = 32
x = torch.randn(n, 64, requires_grad=True)
bndiff = x - x.mean(0, keepdim=True)
bndiff2 = bndiff**2
bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)
bnraw = bndiff * (bnvar + 1e-5)**-0.5
w = torch.randn(n, 64)
loss = (bnraw * w).sum()
loss.backward()
dbnraw = w.clone()
dbndiff = (bnvar + 1e-5)**-0.5 * dbnraw
dbnvar = -0.5 * (bnvar + 1e-5)**-1.5 * (bndiff * dbnraw).sum(0, keepdim=True)
dbndiff2 = 1 / (n - 1) * dbnvar * torch.ones_like(bndiff2)
dbndiff += 2 * bndiff * dbndiff2
dx = dbndiff - dbndiff.mean(0, keepdim=True)
"""
MAXIMUM = """
x = torch.randn(32, 27, requires_grad=True)
logits = 2 * x
logit_maxes = logits.max(1, keepdim=True).values
norm_logits = logits - logit_maxes
w = torch.randn(32, 27)
loss = (norm_logits * w).sum()
loss.backward()
dnorm_logits = w.clone()
dlogit_maxes = -dnorm_logits.sum(1, keepdim=True)
dlogits = dnorm_logits + F.one_hot(logits.argmax(1), 27) * dlogit_maxes
dx = 2 * dlogits
"""
LINEAR = """
x = torch.randn(16, 3)
W = torch.randn(3, 5, requires_grad=True)
b = torch.randn(5, requires_grad=True)
h = x @ W + b
loss = (h**2).mean()
loss.backward()
dh = 2 * h / h.numel()
dW = x.T @ dh
db = dh.sum(0)
"""
SLIPS = [
    (
        TOTAL, "dtotal.expand_as(sq)\ndb = dsq.sum(0)", "dtotal", "dsq",
        "The value is correct, but its shape is (1, 3) and sq has shape (16, 3): .expand(16, 3) "
        "corrects it.", "dsq = dtotal.expand(16, 3)",
    ),
    (
        VARIANCE, " * torch.ones_like(bndiff2)", "", "dbndiff2",
        "The value is correct, but its shape is (1, 64) and bndiff2 has shape (32, 64): "
        ".expand(32, 64) corrects it.", "dbndiff2 = (1 / (n - 1) * dbnvar).expand(32, 64)",
    ),
    (
        LINEAR, "dh.sum(0)", "dh.sum(0, keepdim=True)", "db",
        "The value is correct, but its shape is (1, 5) and b has shape (5,): .view(5,) corrects "
        "it.", "db = dh.sum(0)",
    ),
]  # fmt: skip
WRONG = [
    (
        MAXIMUM, "-dnorm_logits.sum(1, keepdim=True)", "-dnorm_logits", "dlogit_maxes",
        "A sum over dimension 1 is missing: the forward pass broadcasts logit_maxes, so the "
        "gradients of all its copies must be added.",
        "dlogit_maxes = (-dnorm_logits).sum(1, keepdim=True)",
    ),
    (
        LINEAR, "dh.sum(0)", "dh", "db",
        "A sum over dimension 0 is missing: the forward pass broadcasts b, so the gradients of all "
        "its copies must be added.", "db = dh.sum(0)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("code", "old", "new", "hand", "message", "fix"), SLIPS)
def test_what_broadcasts_to_the_gradient_is_a_slip(check, code, old, new, hand, message, fix):
    report = check(HEAD + code.replace(old, new))
    (row,) = [row for row in report.rows if row.verdict not in ("exact", "rounding", "missing")]
    assert row.hand == hand
    assert (row.verdict, row.blame, row.message, row.fix) == ("shape", None, message, fix)


@pytest.mark.parametrize(("code", "old", "new", "hand", "message", "fix"), WRONG)
def test_a_gradient_that_lacks_a_sum_is_wrong(check, code, old, new, hand, message, fix):
    report = check(HEAD + code.replace(old, new))
    row = next(row for row in report.rows if row.blame == "root")
    assert (row.hand, row.verdict, row.message, row.fix) == (hand, "wrong", message, fix)
    assert [note.code for note in report.notes] == []


def test_a_slip_that_a_sum_takes_wrongly_is_named_as_the_reason(check):
    report = check(HEAD + TOTAL.replace("dtotal.expand_as(sq)", "dtotal"))
    row = next(row for row in report.rows if row.verdict == "wrong")
    assert (row.hand, row.blame, row.blamed_on) == ("db", "inherited", ("dsq",))
    assert row.message == "The line is correct and inherits the error of dsq."


@pytest.mark.parametrize("code", [TOTAL, VARIANCE, MAXIMUM, LINEAR])
def test_the_right_shapes_are_right(check, code):
    report = check(HEAD + code)
    assert report.ok
    assert report.notes == ()


def test_a_slip_in_numpy_is_corrected_in_its_words(check):
    report = check(
        "import numpy as np\nx = np.random.RandomState(0).randn(16, 3)\nsq = x**2\n"
        "total = sq.sum(axis=0, keepdims=True)\nloss = (total**2).mean()\n"
        "dtotal = 2 * total / 3\ndsq = dtotal\ndx = 2 * x * dsq"
    )
    row = next(row for row in report.rows if row.hand == "dsq")
    assert row.message == (
        "The value is correct, but its shape is (1, 3) and sq has shape (16, 3): "
        "np.broadcast_to(dsq, (16, 3)) corrects it."
    )
    assert row.fix == "dsq = np.broadcast_to(dtotal, (16, 3))"
