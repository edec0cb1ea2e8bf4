"""HG127: a value of the forward pass that the backward writes to."""

import pytest

from checker.explain.causes.conftest import assert_told
from checker.explain.causes.programs import NORM, TOP
from handgrad.checker.explain.causes import overwritten

FORGOTTEN = f"{TOP}{NORM}c += 2 * c * dc2\ndz = dc - dc.mean(0)\ndV = (c * s).T @ dlogits"
TO_ITSELF = (
    "h no longer holds what the forward pass computed: `{}`, line 17, writes to it. "
    "Store the result under a new name there."
)

CASES = [
    (
        "NETWORK",
        "",
        FORGOTTEN,
        "dc",
        ("dc lacks what `c += 2 * c * dc2`, line 23, adds to the forward value c. Use dc there."),
        "dc += 2 * c * dc2",
        (23, False),
    ),
    (
        "NETWORK",
        "",
        f"{TOP}g = h\ng *= 2\ndh = dlogits @ V.T\ndV = h.T @ dlogits",
        "dV",
        (
            "h no longer holds what the forward pass computed: `g *= 2`, line 19, writes to "
            "it too, since g is the same tensor. Use .clone() to copy."
        ),
        "g = h.clone()",
        (18, False),
    ),
    *(
        (
            "NETWORK",
            "",
            f"with torch.no_grad(): {write}\n{TOP}dV = h.T @ dlogits",
            "dV",
            TO_ITSELF.format(write),
            None,
            None,
        )
        for write in ("h.mul_(-h).add_(1)", "h *= 1 - h", "torch.exp(h, out=h)")
    ),
]

OTHERS = [
    # written to, with what stands there
    ("NETWORK", "", f"h.data += 0\n{TOP}dV = -h.T @ dlogits", "dV"),
    # read, and not written to
    ("NETWORK", "", f"g = h * 2\n{TOP}dV = 2 * h.T @ dlogits", "dV"),
    # set again, not written to
    ("NETWORK", "", f"h = F.dropout(c * s, 0.5)\n{TOP}dV = h.T @ dlogits", "dV"),
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_the_line_that_writes_to_the_value_is_named(
    row_of, program, original, lines, hand, message, fix, at
) -> None:
    assert_told(row_of(program, original, lines, hand), overwritten.CODE, message, fix, at)


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    row = row_of(program, original, lines, hand)
    assert row.blame == "root"
    assert row.cause not in (overwritten.CODE, None)


def test_what_reads_the_overwritten_value_inherits_from_the_line_that_writes(row_of) -> None:
    lines = FORGOTTEN.split("\n")
    writer = row_of("NETWORK", "", FORGOTTEN, "dc")
    assert (writer.statement, writer.blame) == ("c += 2 * c * dc2", "root")
    reader = row_of("NETWORK", "", FORGOTTEN, "dV")
    assert (reader.statement, reader.blame) == (lines[-1], "inherited")
    assert reader.message == "The line is correct and inherits the error of dc."


@pytest.mark.parametrize("write", ["c += 2 * c * dc2", "c.data += 2 * c * dc2", "c+=2 * c * dc2"])
def test_the_line_that_lacks_the_d_is_to_blame(row_of, write) -> None:
    row = row_of("NETWORK", "", f"{TOP}{NORM}{write}", "dc")
    assert (row.statement, row.blame, row.place) == (write, "root", row.fix_at)
    assert row.fix == f"d{write.replace('.data', '')}"
    assert row_of("NETWORK", "", f"{TOP}{NORM}{row.fix}", "dc").blame is None
