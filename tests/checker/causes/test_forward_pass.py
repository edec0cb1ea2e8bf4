"""HG127, HG128, HG129: names that do not stand for what they did in the forward pass."""

import pytest

from handgrad.checker.causes import overwritten, rebuilt, stale
from handgrad.checker.records import Place

START = """
torch.manual_seed(0)
n = 8
x = torch.randn(n, 5)
y = torch.randint(0, 4, (n,))
W = (torch.randn(5, 6) * 0.5).requires_grad_()
V = (torch.randn(6, 4) * 0.5).requires_grad_()
z = x @ W
m = z.mean(0, keepdim=True)
c = z - m
c2 = c**2
v = c2.mean(0, keepdim=True)
s = (v + 1e-5) ** -0.5
h = c * s
logits = h @ V
loss = F.cross_entropy(logits, y)
loss.backward()
"""
TOP = "dlogits = (F.softmax(logits, 1) - F.one_hot(y, 4)) / n\n"
NORM = """\
dh = dlogits @ V.T
dc = s * dh
ds = (c * dh).sum(0, keepdim=True)
dv = -0.5 * (v + 1e-5) ** -1.5 * ds
dc2 = torch.ones_like(c2) / n * dv
"""


def test_a_forgotten_d_overwrites_the_value_and_leaves_the_gradient_short(explained) -> None:
    source = START + TOP + NORM + "c += 2 * c * dc2\ndz = dc - dc.mean(0)\ndV = (c * s).T @ dlogits"
    row = explained(source, "dc")
    assert (row.cause, row.message, row.fix, row.fix_at) == (
        overwritten.CODE,
        "dc lacks what `c += 2 * c * dc2`, line 24, adds to c, the forward value. "
        "dc is meant there.",
        "dc += 2 * c * dc2",
        Place(24),
    )
    row = explained(source, "dV")
    assert (row.cause, row.message, row.fix) == (
        overwritten.CODE,
        "c is not what the forward computed any more: `c += 2 * c * dc2`, line 24, writes to it. "
        "dc is meant there.",
        "dc += 2 * c * dc2",
    )


def test_a_gradient_begun_as_a_second_name_for_a_value_overwrites_it(explained) -> None:
    begun = "g = h\ng *= 2\ndh = dlogits @ V.T\ndV = h.T @ dlogits\n"
    row = explained(START + TOP + begun, "dV")
    assert (row.cause, row.message, row.fix, row.fix_at) == (
        overwritten.CODE,
        "h is not what the forward computed any more: `g *= 2`, line 20, writes to it as well, "
        "since g is the same tensor. .clone() keeps them apart.",
        "g = h.clone()",
        Place(19),
    )


@pytest.mark.parametrize("write", ["h.mul_(-h).add_(1)", "h *= 1 - h", "torch.exp(h, out=h)"])
def test_a_value_overwritten_under_its_own_name_is_named(explained, write) -> None:
    source = f"{START}with torch.no_grad(): {write}\n{TOP}dV = h.T @ dlogits\n"
    row = explained(source, "dV")
    assert (row.cause, row.message) == (
        overwritten.CODE,
        f"h is not what the forward computed any more: `{write}`, line 18, writes to it. "
        "Put the result under a name of its own there.",
    )


@pytest.mark.parametrize(
    ("between", "hand", "said"),
    [
        ("n = 16", "dlogits", "n was 8 in the forward pass and is 16 here."),
        ("for n in range(3): pass", "dlogits", "n was 8 in the forward pass and is 2 here."),
        (
            "y = torch.randint(0, 4, (n,))",
            "dlogits",
            "y is not what the forward pass used: it was set again in between (line 18).",
        ),
        (
            "x = torch.randn(n, 5)",
            "dW",
            "x is not what the forward pass used: it was set again in between (line 18).",
        ),
    ],
)
def test_a_name_set_again_is_told(explained, between, hand, said) -> None:
    source = f"{START}{between}\n{TOP}{NORM}dc += 2 * c * dc2\ndz = dc - dc.mean(0)\ndW = x.T @ dz"
    row = explained(source, hand)
    assert (row.cause, row.message) == (stale.CODE, said)


def test_a_gradient_left_over_from_the_batch_before_is_told(explained) -> None:
    forward = START[START.index("z = x") :]
    again = f"{START}{TOP}x, y = torch.randn(n, 5), torch.randint(0, 4, (n,))\n{forward}"
    row = explained(again + "dV = h.T @ dlogits", "dV")
    assert (row.cause, row.message, row.fix, row.fix_at, row.fix_adds) == (
        stale.CODE,
        "dlogits is left over from an earlier forward pass: logits was computed again since "
        "(line 27), dlogits was not.",
        TOP.strip(),
        Place(28),
        True,
    )


@pytest.mark.parametrize(
    ("between", "hand", "name"),
    [
        ("h = F.dropout(c * s, 0.5)", "dV", "h"),
        ("h = torch.randn(n, 5) @ W", "dV", "h"),
        ("V = (V - 0.1 * V.grad).detach()", "dh", "V"),
    ],
)
def test_a_node_computed_again_is_told(explained, between, hand, name) -> None:
    row = explained(f"{START}{between}\n{TOP}dh = dlogits @ V.T\ndV = h.T @ dlogits", hand)
    assert (row.cause, row.message) == (
        rebuilt.CODE,
        f"{name} was set again after the loss (line 18): this line reads the new one, and the loss "
        "came from the old. With the old one it is right.",
    )


@pytest.mark.parametrize(
    ("between", "line", "hand"),
    [
        ("n = 8", "dlogits = 2 * (F.softmax(logits, 1) - F.one_hot(y, 4)) / n", "dlogits"),
        ("n = 16", "dlogits = (F.softmax(logits, 1) + F.one_hot(y, 4)) / 8", "dlogits"),
        ("h = h.clone()", f"{TOP}dV = -h.T @ dlogits", "dV"),  # another tensor, the same value
        ("h.data += 0", f"{TOP}dV = -h.T @ dlogits", "dV"),  # written to, with what stands there
        ("g = h * 2", f"{TOP}dV = 2 * h.T @ dlogits", "dV"),
    ],
)
def test_other_mistakes_are_left_to_other_causes(explained, between, line, hand) -> None:
    row = explained(f"{START}{between}\n{line}", hand)
    assert row.blame == "root"
    assert row.cause not in (overwritten.CODE, stale.CODE, rebuilt.CODE, None)
