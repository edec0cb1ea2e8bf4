"""HG126: every way in which two names become one tensor, and what is written where."""

import pytest

from handgrad.checker.explain.causes import alias
from handgrad.checker.records import Place

START = """
def same(t):
    return t
torch.manual_seed(0)
x = torch.randn(8, 6)
W = (torch.randn(6, 6) * 0.5).requires_grad_()
V = (torch.randn(6, 6) * 0.5).requires_grad_()
a = x @ W
b = torch.tanh(a)
c = b + a
out = c @ V
loss = (out**2).mean()
loss.backward()
with torch.no_grad():
    dout = 2 * out / out.numel()
    dc = dout @ V.T
    {alias}
    {write}
"""
ADDED = "da += (1 - b**2) * dc"
SAID = "dc and da share memory since `{}`, so this line writes to both. Use .clone() to copy."


CASES = [
    ("da = dc", ADDED, "da = dc.clone()"),
    ("da = dc.view(8, 6)", ADDED, "da = dc.view(8, 6).clone()"),
    ("da = dc.reshape(8, 6)", "da *= 2 - b**2", "da = dc.reshape(8, 6).clone()"),
    ("da = dc[:]", "da[:] = da * (2 - b**2)", "da = dc[:].clone()"),
    ("da = dc.detach()", "da.add_((1 - b**2) * dc)", "da = dc.detach().clone()"),
    ("da = dc.contiguous()", "torch.mul(dc, 2 - b**2, out=da)", "da = dc.contiguous().clone()"),
    ("da = same(dc)", ADDED, "da = same(dc).clone()"),
    ("da, other = dc, dc", ADDED, "da, other = dc.clone(), dc"),
    ("da = other = dc", ADDED, "other = dc\nda = dc.clone()"),
]
OTHERS = [
    ("da = dc.clone()", ADDED),  # no alias
    ("da = dc", "da = da + (1 - b**2) * dc"),  # not in place
    ("da = dc", "dc = 2 * dc"),  # another tensor, under the same name
]


@pytest.mark.parametrize(("first", "write", "fix"), CASES)
def test_it_names_the_line_that_made_one_tensor_of_two(explained, first, write, fix) -> None:
    row = explained(START.format(alias=first, write=write), "dc")
    assert (row.cause, row.message, row.fix) == (alias.CODE, SAID.format(first), fix)
    assert (row.statement, row.fix_at) == (write, Place(17))
    assert row.checked in ("exact", "rounding")


def test_in_a_function_it_is_named_too(explained) -> None:
    source = START.format(alias="def back(dc):", write="    da = dc; da *= 2 - b**2; return da")
    row = explained(f"{source}    da = back(dc)\n", "dc")
    assert (row.cause, row.message, row.fix) == (
        alias.CODE,
        SAID.format("da = dc"),
        "da = dc.clone()",
    )
    assert row.statement == "da *= 2 - b**2"


def test_of_three_names_each_is_explained_and_the_one_that_is_right_is_left_alone(
    explained,
) -> None:
    source = START.format(alias="da = dc\n    db = dc", write="da += (1 - b**2) * db")
    row = explained(source, "db")
    assert (row.message, row.fix) == (
        (
            "db and da share memory since `db = dc`, so this line writes to both. Use "
            ".clone() to copy."
        ),
        "da = dc.clone()",
    )
    assert explained(source, "da").blame is None


@pytest.mark.parametrize(("first", "write"), OTHERS)
def test_it_is_silent_where_nothing_is_shared(explained, first, write) -> None:
    assert explained(START.format(alias=first, write=write), "dc").cause is None
