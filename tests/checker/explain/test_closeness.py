"""Comparisons of values in float64: what counts as equal, and what does not."""

import pytest
import torch

from handgrad.checker.closeness import close, same_constant, same_numbers

ONE = torch.tensor([1.0, -2.0, 0.0], dtype=torch.float64)
INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(("factor", "equal"), [(1, True), (1 + 1e-6, True), (1 + 1e-3, False)])
def test_tensors_are_close_within_a_relative_limit(factor, equal) -> None:
    assert close(ONE, ONE * factor) is equal
    assert same_numbers(ONE, ONE * factor) is equal


def test_tensors_of_two_shapes_are_never_close() -> None:
    assert not close(ONE, ONE[None])
    assert not same_numbers(ONE, ONE[None])


def test_infinities_and_nan_must_be_in_both() -> None:
    odd = torch.tensor([INF, NAN, 1.0], dtype=torch.float64)
    assert close(odd, odd.clone())
    assert not close(odd, torch.tensor([INF, 0.0, 1.0], dtype=torch.float64))
    assert not same_numbers(odd, odd.clone())


def test_zeros_are_close_but_say_nothing() -> None:
    zeros = torch.zeros(3, dtype=torch.float64)
    assert close(zeros, zeros)
    assert not same_numbers(zeros, zeros)


@pytest.mark.parametrize(("value", "same"), [(32, True), (32 * (1 + 1e-7), True), (32.001, False)])
def test_constants_are_the_same_to_float32(value, same) -> None:
    assert same_constant(value, 32) is same
