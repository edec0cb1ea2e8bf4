"""HG132: fewer gradients returned than are due, or None."""

import pytest
import torch

import handgrad
from handgrad.checker.explain.causes import returned_number


def forward(x, W, b):
    return x @ W + b, x, W


def none(dy, x, W):
    return dy @ W.T, x.T @ dy, None


def first_none(dy, x, W):
    return None, x.T @ dy, dy.sum(0)


def two(dy, x, W):
    return dy @ W.T, x.T @ dy


def one(dy, x, W):
    return dy @ W.T


def four(dy, x, W):
    return dy @ W.T, x.T @ dy, dy.sum(0), None


def crossed(dy, x, W):
    return x.T @ dy, dy @ W.T, dy.sum(0)


def unsummed(dy, x, W):
    return dy @ W.T, x.T @ dy, dy


def right(dy, x, W):
    return dy @ W.T, x.T @ dy, dy.sum(0)


DUE = "{} returns {}; 3 are expected, in the order of the inputs: x, W, b."
CASES = [
    (none, "b", "none returns None for b, but the output depends on it."),
    (first_none, "x", "first_none returns None for x, but the output depends on it."),
    (two, "b", DUE.format("two", "2 gradients")),
    (one, "W", DUE.format("one", "1 gradient")),
    (one, "b", DUE.format("one", "1 gradient")),
]
OTHERS = [(crossed, "x", "HG131"), (unsummed, "b", "HG110")]


def report_on(backward):
    torch.manual_seed(0)
    inputs = (torch.randn(6, 6), torch.randn(6, 6), torch.randn(6))
    return handgrad.check(forward, backward, inputs)


def row_of(backward, node):
    report = report_on(backward)
    assert not report.ok
    return next(row for row in report.rows if row.node == node)


@pytest.mark.parametrize(("backward", "node", "message"), CASES)
def test_what_is_not_returned_is_told(backward, node, message) -> None:
    row = row_of(backward, node)
    assert (row.cause, row.message, row.fix) == (returned_number.CODE, message, None)
    assert row.blame == "root"


@pytest.mark.parametrize(("backward", "node", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(backward, node, cause) -> None:
    row = row_of(backward, node)
    assert (row.cause, row.blame) == (cause, "root")


def test_what_is_returned_right_is_right() -> None:
    report = report_on(right)
    assert report.ok
    assert len(report.rows) == 3
    assert report.notes == ()


def test_one_too_many_is_worth_a_note() -> None:
    report = report_on(four)
    assert report.ok
    assert [(note.code, note.message) for note in report.notes] == [
        ("HG219", "four returns 4 gradients; 3 are expected, in the order of the inputs: x, W, b.")
    ]


def test_an_input_whose_gradient_is_0_needs_none() -> None:
    def flat(x, W):
        return x * 2 + W.sum() * 0, x

    def back(dy, x):
        return 2 * dy, None

    assert handgrad.check(flat, back, (torch.randn(3, 2), torch.randn(2))).ok
