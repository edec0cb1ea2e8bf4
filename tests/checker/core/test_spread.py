"""Where an error sits: in words, and as a picture."""

import pytest
import torch

from handgrad.checker.judge.spread import CELLS, _picture, is_off, where_it_sits


def error(*shape: int, at: object = ...) -> torch.Tensor:
    """An error of 1 at an index, and rounding everywhere."""
    made = torch.full(shape, 1e-9, dtype=torch.float64)
    made[at] = 1.0  # type: ignore[index]
    return made


def scattered(rows: int, columns: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(rows, columns, generator=generator, dtype=torch.float64).round()


ALL = slice(None)
ONE_EACH = (torch.arange(4), torch.tensor([2, 0, 2, 1]))
MATRIX = torch.ones(6, 6, dtype=torch.float64)
CASES = [
    (error(), "all of it"),
    (error(4, 3), "all of it"),
    (error(4, 3) * 1e-9, "none of it"),
    (error(4, 3, at=(ALL, 0)), "only column 0"),
    (error(4, 3, at=3), "only row 3"),
    (error(4, 3, at=(1, 2)), "only the element at [1, 2]"),
    (error(9, at=4), "only element 4"),
    (error(5, 30, at=(ALL, slice(23, 30))), "the last 7 columns"),
    (error(5, 30, at=(ALL, slice(0, 16))), "the first 16 columns"),
    (error(5, 30, at=(ALL, slice(3, 10))), "columns 3 to 9"),
    (error(12, 3, at=[0, 5, 9]), "rows 0, 5 and 9"),
    (error(12, 3, at=slice(1, None, 2)), "every 2nd row from 1"),
    (error(12, 3, at=slice(0, None, 3)), "rows 0, 3, 6 and 9"),
    (error(20, 3, at=slice(0, None, 3)), "every 3rd row from 0"),
    (error(30, at=[0, 1, 4, 9, 16, 25]), "6 of the 30 elements"),
    (error(12, 3, at=[*range(5), *range(6, 12)]), "all rows but 5"),
    (error(5, 30, at=([[1], [2]], [0, 7])), "columns 0 and 7, in rows 1 and 2"),
    (error(5, 30, at=(4, slice(23, 30))), "the last 7 columns, in row 4"),
    (error(2, 5, 3, at=1), "only index 1 of dimension 0"),
    (error(4, 5, 3, at=[1, 2]), "indices 1 and 2 of dimension 0"),
    (error(4, 5, 3, at=(ALL, ALL, 2)), "only column 2"),
    (error(8, 1, at=2), "only row 2"),
    (MATRIX.tril().triu(), "only the diagonal"),
    (MATRIX - MATRIX.tril().triu(), "all but the diagonal"),
    (MATRIX.triu(1), "all above the diagonal"),
    (MATRIX.triu(), "all on and above the diagonal"),
    (MATRIX.tril(-1).expand(3, 2, 6, 6), "all below the diagonal"),
    (MATRIX.tril(), "all on and below the diagonal"),
    (error(4, 3, at=ONE_EACH), "one element of each row"),
    (error(4, 3, at=ONE_EACH).T, "one element of each column"),
    (1 - error(4, 3, at=ONE_EACH).round(), "all but one element of each row"),
    (scattered(40, 40), "49 % of the elements, all over"),
    (
        error(40, 40, at=([3, 9, 12], [1, 1, 5])),
        "3 elements, in columns 1 and 5, in rows 3, 9 and 12",
    ),
    (error(40, 9, at=(torch.arange(35), 2)), "column 2, in the first 35 rows"),
    (
        error(40, 9, at=([0, 0, 1, 1, 1], [1, 2, 1, 2, 3])),
        "83 % of columns 1, 2 and 3, in the first 2 rows",
    ),
]


@pytest.mark.parametrize(("off", "said"), CASES, ids=[said for _, said in CASES])
def test_where_it_sits(off: torch.Tensor, said: str) -> None:
    assert where_it_sits(off, 1e-6) == said
    assert where_it_sits(-off, torch.full_like(off, 1e-6)) == said


def test_nan_is_off() -> None:
    off = error(4, 3, at=(ALL, 1))
    off[2, 1] = torch.nan
    assert where_it_sits(off, 1e-6) == "only column 1"


def picture(off: torch.Tensor) -> tuple[str, ...]:
    return _picture(off.abs(), is_off(off, 1e-6))


def test_the_picture_has_half_decades_and_what_is_not_finite() -> None:
    off = torch.tensor([[10.0, 3.2, 3.1, 0.99, 0.2], [1e-3, 0.0, torch.nan, torch.inf, -5.0]])
    assert picture(off) == ("55432", "10xx5")
    assert picture(torch.tensor([torch.nan, 0.0])) == ("x0",)


@pytest.mark.parametrize(
    ("shape", "cells"),
    [
        ((), (1, 1)),
        ((7,), (1, 7)),
        ((24, 25), (24, 13)),
        ((49, 1), (17, 1)),
        ((100, 4800), (20, 24)),
    ],
)
def test_the_picture_is_small(shape: tuple[int, ...], cells: tuple[int, int]) -> None:
    drawn = picture(error(*shape))
    assert (len(drawn), len(drawn[0])) == cells
    assert {len(row) for row in drawn} == {cells[1]}
    assert max(cells) <= CELLS
    assert set("".join(drawn)) == {"5"}


def test_one_wrong_element_is_in_one_cell() -> None:
    drawn = picture(error(3, 100, 1000, at=(1, 99, 503)))
    assert [(y, row.index("5")) for y, row in enumerate(drawn) if "5" in row] == [(19, 11)]
    assert "".join(drawn).count("0") == 20 * 24 - 1


BATCH = """
import torch
g = torch.Generator().manual_seed(1)
x = torch.randn(8, 4, generator=g)
W = torch.randn(4, 6, generator=g, requires_grad=True)
a = x @ W
h = torch.tanh(a)
loss = (h**2).mean()
loss.backward()
dh = 2 * h / h.numel()
dh[:, 5] = 0
da = (1 - h) * dh
dW = x.T @ da
"""


def test_a_line_to_blame_is_shown_with_its_own_error_alone(check) -> None:
    rows = {row.hand: row for row in check(BATCH).rows}
    assert (rows["dh"].blame, rows["da"].blame, rows["dW"].blame) == ("root", "root", "inherited")
    assert rows["dh"].spread.caption == "only column 5"
    assert rows["da"].spread.caption == "all of it"
    assert rows["dW"].spread.caption == "all of it"
    assert [row[:5] for row in rows["dh"].spread.levels] == ["00000"] * 8


def test_what_inherits_is_off_where_its_root_is(check) -> None:
    rows = {row.hand: row for row in check(BATCH.replace("(1 - h) *", "(1 - h**2) *")).rows}
    assert rows["dW"].blame == "inherited"
    assert rows["dW"].spread.caption == "only column 5"


def test_what_is_right_or_of_another_shape_has_no_picture(check) -> None:
    right = BATCH.replace("(1 - h) *", "(1 - h**2) *").replace("dh[:, 5] = 0", "")
    assert {row.spread for row in check(right).rows} == {None}
    summed = check(right.replace("x.T @ da", "(x.T @ da).sum(0)"))
    assert [(row.verdict, row.spread) for row in summed.rows][-1] == ("wrong", None)
