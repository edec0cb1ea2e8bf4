"""HG134 and HG138: too few digits, and small numbers."""

import pytest

from handgrad.checker.causes import epsilon, precision

START = """
torch.manual_seed(0)
eps = 1e-5
x = torch.randn(64, 5)
W = (torch.randn(5, 6) * 0.5).requires_grad_()
V = (torch.randn(6, 4) * 0.5).requires_grad_()
z = x @ W
v = z.var(0, keepdim=True)
s = (v + {eps}) ** -0.5
h = z * s
out = h @ V
loss = (out**2).mean()
loss.backward()
dout = 2 * out / out.numel()
dh = dout @ V.T
ds = (dh * z).sum(0, keepdim=True)
"""
DIGITS = "The formula is right, the digits are not: {} keeps too few of them. {} is float32."
CUT = "Rounded to {}, it loses what is behind the point."


@pytest.mark.parametrize(
    ("line", "hand", "message", "fix"),
    [
        (
            "dV = (h.half().T @ dout.half()).float()",
            "dV",
            DIGITS.format("float16", "V"),
            "dV = h.T @ dout",
        ),
        (
            "dV = (h.T @ dout).to(torch.bfloat16).float()",
            "dV",
            DIGITS.format("bfloat16", "V"),
            "dV = (h.T @ dout).float()",
        ),
        (
            "t = h.bfloat16().T @ dout.bfloat16(); dV = t.float()",
            "dV",
            DIGITS.format("t, bfloat16,", "V"),
            None,
        ),
        (
            "dV = (h.T @ dout * 1000).round() / 1000",
            "dV",
            CUT.format("whole numbers"),
            "dV = h.T @ dout * 1000 / 1000",
        ),
        (
            "dV = (h.T @ dout).long().float()",
            "dV",
            CUT.format("int64"),
            "dV = (h.T @ dout).float()",
        ),
    ],
)
def test_lost_digits_are_told(explained, line, hand, message, fix) -> None:
    row = explained(START.format(eps="1e-5") + line, hand)
    assert (row.cause, row.message, row.fix) == (precision.CODE, message, fix)
    assert (row.blame, row.verdict) == ("root", "wrong")


def test_what_reads_it_inherits(explained) -> None:
    source = START.format(eps="1e-5").replace("dout @ V.T", "(dout @ V.T).bfloat16().float()")
    assert explained(source, "dh").cause == precision.CODE
    row = explained(source, "ds")
    assert (row.message, row.blamed_on) == (
        "The line is right and inherits the error of dh.",
        ("dh",),
    )


@pytest.mark.parametrize(
    ("line", "hand"),
    [
        ("dV = -(h.half().T @ dout.half()).float()", "dV"),  # the sign as well
        ("dV = (h.T @ dout).float() * 2", "dV"),
        ("dV = h.float().T @ dout.float()", "dV"),  # nothing is lost
    ],
)
def test_other_mistakes_are_left_alone(explained, line, hand) -> None:
    assert explained(START.format(eps="1e-5") + line, hand).cause != precision.CODE


@pytest.mark.parametrize(
    ("eps", "line", "message", "fix"),
    [
        (
            "1e-5",
            "dv = -0.5 * v**-1.5 * ds",
            "The forward adds 1e-5 to v, this line does not.",
            "dv = -0.5 * (v + 1e-5)**-1.5 * ds",
        ),
        (
            "eps",
            "dv = -0.5 * v**-1.5 * ds",
            "The forward adds eps to v, this line does not.",
            "dv = -0.5 * (v + eps)**-1.5 * ds",
        ),
        (
            "1e-3",
            "dv = -0.5 * (v + 1e-5) ** -1.5 * ds",
            "The forward adds 1e-3 to v, this line 1e-5.",
            "dv = -0.5 * (v + 1e-3) ** -1.5 * ds",
        ),
        (
            "0",
            "dv = -0.5 * torch.pow(v + 1e-3, -1.5) * ds",
            "This line adds 1e-3 to v, the forward does not.",
            "dv = -0.5 * torch.pow(v, -1.5) * ds",
        ),
        (
            "1e-5",
            "dv = -0.501 * (v + 1e-5) ** -1.5 * ds",
            "0.501 stands where 0.5 belongs.",
            "dv = -0.5 * (v + 1e-5) ** -1.5 * ds",
        ),
    ],
)
def test_small_numbers_are_told(explained, eps, line, message, fix) -> None:
    row = explained(START.format(eps=eps) + line, "dv")
    assert (row.cause, row.message, row.fix) == (epsilon.CODE, message, fix)


@pytest.mark.parametrize(
    "line",
    [
        "dv = 0.5 * (v + 1e-5) ** -1.5 * ds",
        "dv = -0.5 * v**-1.5 * ds * 2",  # two mistakes
        "dv = -0.5 * (v + 1e-5) ** -0.5 * ds",
    ],
)
def test_other_numbers_are_left_alone(explained, line) -> None:
    assert explained(START.format(eps="1e-5") + line, "dv").cause != epsilon.CODE
