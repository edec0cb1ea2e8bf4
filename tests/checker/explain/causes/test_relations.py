"""The coefficients of a sum of terms, and when there are none."""

import pytest
import torch

from handgrad.checker.explain.search.closed import coefficients, is_near

generator = torch.Generator().manual_seed(0)
ONE, TWO, THREE = torch.randn(3, 7, 5, generator=generator, dtype=torch.float64)


def test_a_sum_of_terms_gives_its_coefficients() -> None:
    found = coefficients(ONE - 6 / 7 * TWO, [ONE, TWO, THREE])
    assert found is not None
    assert found == pytest.approx([1.0, -6 / 7, 0.0], abs=1e-9)


def test_terms_of_very_different_size_are_told() -> None:
    found = coefficients(1e-8 * ONE + 3e6 * TWO, [1e-8 * ONE, 1e6 * TWO])
    assert found is not None
    assert is_near(found[1], 3.0)


@pytest.mark.parametrize(
    ("made", "terms"),
    [
        (ONE + 1e-3 * THREE, [ONE, TWO]),  # something else is in it
        (ONE, [ONE, ONE + 1e-9 * TWO]),  # the terms are one
        (ONE, [ONE, torch.zeros_like(ONE)]),  # a term is nothing
        (ONE, [ONE.flatten()]),  # another shape
        (ONE * torch.inf, [ONE, TWO]),
        (ONE[:1, :2], [ONE[:1, :2], TWO[:1, :2]]),  # as many unknowns as numbers
    ],
)
def test_what_is_no_sum_of_them_gives_none(made, terms) -> None:
    assert coefficients(made, terms) is None
