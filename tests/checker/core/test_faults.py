"""Faults planted in a correct chunked pass: the line at fault is named, and none besides."""

import pytest
from benchmarks.proving import program

SETUP = """
import torch
import torch.nn.functional as F

g = torch.Generator().manual_seed(42)
n, V, E, H, T = 16, 11, 4, 12, 3
C = torch.randn((V, E), generator=g)
W1 = torch.randn((E * T, H), generator=g) * (5 / 3) / ((E * T) ** 0.5)
b1 = torch.randn(H, generator=g) * 0.1
W2 = torch.randn((H, V), generator=g) * 0.1
b2 = torch.randn(V, generator=g) * 0.1
bngain = torch.randn((1, H), generator=g) * 0.1 + 1.0
bnbias = torch.randn((1, H), generator=g) * 0.1
for p in [C, W1, b1, W2, b2, bngain, bnbias]:
    p.requires_grad = True
Xb = torch.randint(0, V, (n, T), generator=g)
Yb = torch.randint(0, V, (n,), generator=g)
"""
FORWARD = SETUP + program.FORWARD + program.AUTOGRAD
BACKWARD = """
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(n), Yb] = -1.0 / n
dprobs = (1.0 / probs) * dlogprobs
dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True)
dcounts = counts_sum_inv * dprobs
dcounts_sum = (-counts_sum**-2) * dcounts_sum_inv
dcounts += torch.ones_like(counts) * dcounts_sum
dnorm_logits = counts * dcounts
dlogits = dnorm_logits.clone()
dlogit_maxes = (-dnorm_logits).sum(1, keepdim=True)
dlogits += F.one_hot(logits.max(1).indices, num_classes=V) * dlogit_maxes
dh = dlogits @ W2.T
dW2 = h.T @ dlogits
db2 = dlogits.sum(0)
dhpreact = (1.0 - h**2) * dh
dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
dbnraw = bngain * dhpreact
dbnbias = dhpreact.sum(0, keepdim=True)
dbndiff = bnvar_inv * dbnraw
dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)
dbnvar = (-0.5 * (bnvar + 1e-5) ** -1.5) * dbnvar_inv
dbndiff2 = (1.0 / (n - 1)) * torch.ones_like(bndiff2) * dbnvar
dbndiff += (2 * bndiff) * dbndiff2
dhprebn = dbndiff.clone()
dbnmeani = (-dbndiff).sum(0, keepdim=True)
dhprebn += 1.0 / n * (torch.ones_like(hprebn) * dbnmeani)
dembcat = dhprebn @ W1.T
dW1 = embcat.T @ dhprebn
db1 = dhprebn.sum(0)
demb = dembcat.view(emb.shape)
dC = torch.zeros_like(C)
for k in range(Xb.shape[0]):
    for j in range(Xb.shape[1]):
        dC[Xb[k, j]] += demb[k, j]
"""
FAULTS = [
    ("missing branch", "dbndiff += (2 * bndiff) * dbndiff2", "pass", "dbndiff"),
    ("missing branch", "dcounts += torch.ones_like(counts) * dcounts_sum", "pass", "dcounts"),
    ("sign", "dcounts_sum = (-counts", "dcounts_sum = (counts", "dcounts_sum"),
    ("sign", "dcounts += torch", "dcounts -= torch", "dcounts"),
    ("factor 2", "(2 * bndiff)", "(bndiff)", "dbndiff"),
    ("factor 2", "dh = dlogits", "dh = 2 * dlogits", "dh"),
    ("n for n-1", "(1.0 / (n - 1)) * torch", "(1.0 / n) * torch", "dbndiff2"),
    ("forward for gradient", "(bndiff2) * dbnvar", "(bndiff2) * bnvar", "dbndiff2"),
    ("wrong operand", "(bnraw * dhpreact)", "(bndiff * dhpreact)", "dbngain"),
    ("missing sum", "(counts * dprobs).sum(1, keepdim=True)", "counts * dprobs",
     "dcounts_sum_inv"),
    ("extra sum", "(1.0 - h**2) * dh", "(1.0 - h**2) * dh.sum(0)", "dhpreact"),
    ("sum before multiply", "(bndiff * dbnraw).sum(0, keepdim=True)",
     "bndiff.sum(0, keepdim=True) * dbnraw.sum(0, keepdim=True)", "dbnvar_inv"),
    ("transposed", "dW2 = h.T @ dlogits", "dW2 = dlogits.T @ h", "dW2"),
    ("elementwise for matmul", "dlogits @ W2.T", "(dlogits.sum(1, keepdim=True) * W2.sum(1))",
     "dh"),
    ("exponent", "** -1.5", "** -0.5", "dbnvar"),
    ("upstream missing", "dprobs = (1.0 / probs) * dlogprobs", "dprobs = 1.0 / probs", "dprobs"),
    ("0.1 % off", "(-0.5 *", "(-0.5005 *", "dbnvar"),
    ("0.1 % off", "+= demb[k, j]", "+= 1.001 * demb[k, j]", "dC"),
    ("eps left out", "(-0.5 * (bnvar + 1e-5)", "(-0.5 * (bnvar)", "dbnvar"),
    ("last one wins", "dC[Xb[k, j]] +=", "dC[Xb[k, j]] =", "dC"),
    ("no gradient upstream", "db1 = dhprebn", "db1 = 2 * dhprebn", "db1"),
    ("no gradient upstream", "(-dnorm_logits)", "(dnorm_logits)", "dlogit_maxes"),
]  # fmt: skip


def line_of(text):
    lines = (FORWARD + BACKWARD).split("\n")
    return next(i for i, line in enumerate(lines, 1) if text in line)


def test_the_correct_pass_is_right_to_the_bit_or_to_rounding(check):
    report = check(FORWARD + BACKWARD)
    assert {row.verdict for row in report.rows} <= {"exact", "rounding"}
    assert len(report.rows) == 26
    assert not [row for row in report.rows if row.blame]
    assert report.notes == ()


@pytest.mark.parametrize(
    ("kind", "old", "new", "hand"), FAULTS, ids=[f"{f[0]}: {f[3]}" for f in FAULTS]
)
def test_every_kind_of_fault_is_named_at_its_line(check, kind, old, new, hand):
    assert BACKWARD.count(old) == 1
    report = check(FORWARD + BACKWARD.replace(old, new))
    roots = [row for row in report.rows if row.blame == "root"]
    assert [row.hand for row in roots] == [hand]
    if kind == "missing branch":  # its line is gone: what is left of the gradient is named
        assert roots[0].place.line == line_of(f"{hand} = ")
    elif kind in ("last one wins",) or "demb" in old:
        assert roots[0].place.line == line_of("dC[Xb")
    else:
        assert roots[0].place.line == line_of(old)
    heirs = [row for row in report.rows if row.verdict == "wrong" and row.blame != "root"]
    assert {row.blame for row in heirs} <= {"inherited"}
    assert {row.blamed_on for row in heirs} <= {(hand,)}


def test_an_alias_blames_the_later_statement_that_writes_through_it(check):
    report = check(FORWARD + BACKWARD.replace("dbndiff.clone()", "dbndiff"))
    (root,) = [row for row in report.rows if row.blame == "root"]
    line = line_of("dhprebn += ")
    assert (root.hand, root.place.line) == ("dbndiff", line)
    assert root.message.startswith(
        "dbndiff and dhprebn share memory since `dhprebn = dbndiff`, so this line writes to both."
    )


def test_two_faults_are_both_named_and_no_third(check):
    code = BACKWARD.replace("(-counts_sum**-2)", "(counts_sum**-2)").replace("** -1.5", "** -0.5")
    report = check(FORWARD + code)
    assert [row.hand for row in report.rows if row.blame == "root"] == ["dcounts_sum", "dbnvar"]


def test_two_faults_in_one_gradient_are_named_at_both_lines(check):
    code = BACKWARD.replace("dcounts = ", "dcounts = 3 * ").replace("dcounts += ", "dcounts -= ")
    report = check(FORWARD + code)
    (root,) = [row for row in report.rows if row.blame == "root"]
    lines = [line_of("dcounts = "), line_of("dcounts += ")]
    assert [place.line for place in root.places] == lines
    assert root.message.startswith(
        f"lines {lines[0]} and {lines[1]}: none of these adds a contribution to the gradient of "
        f"counts."
    )


def test_what_reads_a_half_built_gradient_inherits_from_its_statement(check):
    code = BACKWARD.replace(
        "dcounts_sum = (-counts_sum**-2) * dcounts_sum_inv",
        "dcounts_sum = -(counts * dcounts).sum(1, keepdim=True) * counts_sum_inv",
    )
    assert check(FORWARD + code).ok
    report = check(FORWARD + code.replace("dcounts = counts", "dcounts = 3 * counts"))
    (root,) = [row for row in report.rows if row.blame == "root"]
    assert (root.hand, root.place.line) == ("dcounts", line_of("dcounts = counts_sum_inv"))
    (heir,) = [row for row in report.rows if row.hand == "dcounts_sum"]
    assert (heir.blame, heir.blamed_on) == ("inherited", ("dcounts",))


def test_a_slip_of_shape_stays_one_though_its_values_are_inherited(check):
    code = BACKWARD.replace("(-dbndiff).sum(0, keepdim=True)", "(-dbndiff).sum(0)")
    report = check(FORWARD + code.replace("** -1.5", "** -0.5"))
    rows = {row.hand: row for row in report.rows}
    slip = rows["dbnmeani"]
    assert (slip.verdict, slip.blame, slip.blamed_on) == ("shape", None, ("dbnvar",))
    assert slip.message == (
        "The value is correct (given the error of dbnvar), but its shape is (12,) and bnmeani "
        "has shape (1, 12): keepdim=True corrects it."
    )
    assert [row.hand for row in report.rows if row.blame == "root"] == ["dbnvar"]


def test_a_slip_that_broadcasting_turns_into_wrong_numbers_is_what_they_inherit_from(check):
    report = check("""
import torch
x = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
s = x.sum(1, keepdim=True)
y = x * s
loss = (y**2).sum()
loss.backward()
dy = 2 * y
ds = (dy * x).sum(1)
dx = dy * s + ds
""")
    rows = {row.hand: row for row in report.rows}
    assert (rows["ds"].verdict, rows["ds"].blame) == ("shape", None)
    assert (rows["dx"].verdict, rows["dx"].blame) == ("wrong", "inherited")
    assert rows["dx"].blamed_on == ("ds",)


def test_the_branches_of_a_node_written_in_place_are_its_last_values(check):
    report = check("""
import torch
x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
y = x * 3
u = y * 5
y += 1
a = y * 2
b = y.exp()
loss = (a * b).sum() + u.sum()
loss.backward()
da = b.clone()
db = a.clone()
dy = 2 * da
dy += 3 * db * b
""")
    (root,) = [row for row in report.rows if row.blame == "root"]
    assert (root.hand, [place.line for place in root.places]) == ("dy", [14])


def test_two_mistakes_that_cancel_are_both_named(check):
    code = BACKWARD.replace("dh = dlogits", "dh = 2 * dlogits").replace(
        "(1.0 - h**2)", "(0.5 - h**2 / 2)"
    )
    report = check(FORWARD + code)
    assert [(r.hand, r.verdict) for r in report.rows if r.blame == "root"] == [
        ("dh", "wrong"),
        ("dhpreact", "rounding"),
    ]
    assert [(note.code, note.message) for note in report.notes] == [
        (
            "HG206",
            "dhpreact is correct only because two mistakes cancel: one is in its own line, the "
            "other is upstream.",
        )
    ]


def test_a_branch_added_twice_is_named(check):
    line = "dcounts += torch.ones_like(counts) * dcounts_sum\n"
    report = check(FORWARD + BACKWARD.replace(line, line * 2))
    (root,) = [row for row in report.rows if row.blame == "root"]
    at = line_of("dcounts += ") + 1
    assert root.place.line == at
    assert root.message == (
        f"dcounts is complete on line {at - 1}; this line adds the contribution through counts_sum "
        "to it again. Remove it."
    )
