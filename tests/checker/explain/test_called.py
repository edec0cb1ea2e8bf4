"""Mistakes inside functions and methods that gradients are computed with."""

import pytest

from checker.sessions import run_all
from handgrad.checker.session import Session

PROGRAM = """import torch
import torch.nn.functional as F
torch.manual_seed(0)
X, Y = torch.randn(8, 5), torch.randint(0, 3, (8,))
W1, W2, W3 = (torch.randn(n, m, requires_grad=True) for n, m in ((5, 6), (6, 6), (6, 3)))
{helper}
a1 = X @ W1
h1 = {forward}(a1)
a2 = h1 @ W2
h2 = {forward}(a2)
logits = h2 @ W3
loss = F.cross_entropy(logits, Y)
loss.backward()
dlogits = (F.softmax(logits, 1) - F.one_hot(Y, 3)) / 8
dh2 = dlogits @ W3.T
da2 = {calls[0]}
dW2 = h1.T @ da2
dh1 = da2 @ W2.T
da1 = {calls[1]}
dW1 = X.T @ da1
"""


def rows(helper, forward="torch.tanh", calls=("back(dh2, h2)", "back(dh1, h1)")):
    """Return the rows of the report on a net of two layers whose gradients `helper` computes."""
    session = Session()
    code = PROGRAM.format(helper=helper, forward=forward, calls=calls)
    assert run_all(session, code, {}) == []
    return session.finish("it").rows


def blamed(helper, **options):
    """Return each line to blame: its number, text, message, cause and corrected line."""
    return [
        (row.place.line, row.statement, row.message, row.cause, row.fix)
        for row in rows(helper, **options)
        if row.blame == "root"
    ]


TANH = "The derivative in `h2 = torch.tanh(a2)` is 1 - h**2; dy is multiplied by something else."
CASES = [
    (
        "def back(dy, h):\n    return dy * (1 - h)",
        "def back(dy, h):\n    return dy * (1 - h**2)",
        "torch.tanh",
        (7, "return dy * (1 - h)", f"{TANH} back computes da2 (line 17) and da1 (line 20).",
         "HG109", "return dy * (1 - h**2)"),
    ),
    (
        "def back(dy, h):\n    t = 1 - h\n    dz = dy * t\n    return dz",
        "def back(dy, h):\n    t = 1 - h**2\n    dz = dy * t\n    return dz",
        "torch.tanh",
        (7, "t = 1 - h", f"{TANH} back computes da2 (line 19) and da1 (line 22).", "HG109",
         "t = 1 - h**2"),
    ),
    (
        "def back(dy, h):\n    t = h * h\n    s = 1 - t\n    return dy * s * 2",
        "def back(dy, h):\n    t = h * h\n    s = 1 - t\n    return dy * s",
        "torch.tanh",
        (9, "return dy * s * 2", "Off by the factor 2. back computes da2 (line 19) and da1 (line "
         "22).", "HG103", "return dy * s"),
    ),
    (
        "back = lambda g, h: g * (1 + h**2)",
        "back = lambda g, h: g * (1 - h**2)",
        "torch.tanh",
        (6, "back = lambda g, h: g * (1 + h**2)", "The sign of h**2 is wrong. back computes da2 "
         "(line 16) and da1 (line 19).", "HG102", "back = lambda g, h: g * (1 - h**2)"),
    ),
    (
        "def slope(s):\n    return s * (1 + s)\ndef back(g, s):\n    return g * slope(s)",
        "def slope(s):\n    return s * (1 - s)\ndef back(g, s):\n    return g * slope(s)",
        "torch.sigmoid",
        (7, "return s * (1 + s)", "The sign of s is wrong. slope computes da2 (line 19) and da1 "
         "(line 22).", "HG102", "return s * (1 - s)"),
    ),
    (
        "def back(g, h):\n    g = g.clone()\n    g[h > 0] = 0\n    return g",
        "def back(g, h):\n    g = g.clone()\n    g[h <= 0] = 0\n    return g",
        "torch.relu",
        (8, "g[h > 0] = 0", "The mask is inverted. back computes da2 (line 19) and da1 (line 22).",
         "HG130", "g[h <= 0] = 0"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "right", "forward", "expected"), CASES)
def test_the_line_of_the_function_is_blamed_once(wrong, right, forward, expected):
    assert blamed(wrong, forward=forward) == [expected]
    graded = [row for row in rows(right, forward=forward) if row.hand is not None]
    assert {row.verdict for row in graded} <= {"exact", "rounding"}


def test_all_that_the_function_computes_inherits_from_it():
    (first,) = (r for r in rows(CASES[0][0]) if r.blame == "root")
    assert first.hand == "da2"
    inherited = {r.hand: r.blamed_on for r in rows(CASES[0][0]) if r.blame == "inherited"}
    assert inherited == dict.fromkeys(("dW2", "dh1", "da1", "dW1"), ("da2",))


LAYER = """class Tanh:
    def __call__(self, x):
        self.h = torch.tanh(x)
        return self.h
    def backward(self, dy):
        return dy * (1 - self.h)
t1, t2 = Tanh(), Tanh()"""
LAYERS = PROGRAM.replace("h1 = {forward}", "h1 = t1").replace("h2 = {forward}", "h2 = t2")


def test_a_method_is_a_function_of_its_object():
    session = Session()
    calls = ("t2.backward(dh2)", "t1.backward(dh1)")
    code = LAYERS.format(helper=LAYER, calls=calls)
    assert run_all(session, code, {}) == []
    (row,) = (r for r in session.finish("it").rows if r.blame == "root")
    assert (row.place.line, row.statement) == (11, "return dy * (1 - self.h)")
    assert (row.message, row.cause, row.fix) == (
        "The derivative in `h2 = t2(a2)` is 1 - self.h**2; dy is multiplied by something else.",
        "HG109",
        "return dy * (1 - self.h**2)",
    )


def test_of_a_correct_function_the_wrong_call_is_blamed():
    calls = ("back(dh2, h2)", "back(dh1, h2)")
    assert blamed(CASES[0][1], calls=calls) == [
        (20, "da1 = back(dh1, h2)", "h2 is used where h1 belongs.", "HG107", "da1 = back(dh1, h1)")
    ]


def test_a_function_of_the_forward_pass_is_not_blamed():
    helper = "def double(x):\n    return 2 * x"
    calls = ("double(dh2)", "double(double(dh1))")
    (row,) = blamed(helper, forward="double", calls=calls)
    assert row[:2] == (20, "da1 = double(double(dh1))")
