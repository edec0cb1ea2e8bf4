"""The masks of dropout: shares, independence, and what they depend on."""

import pytest
import torch

from handgrad.errors import SettingsError
from handgrad.layers import dropout

KEY = torch.tensor([3407, 12])
X = torch.zeros(500, 400)


def mask(seed: int = 3407, step: int = 12, number: int = 3, p: float = 0.5) -> torch.Tensor:
    return dropout.mask(X, torch.tensor([seed, step]), p, number)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_the_share_of_kept_elements(p: float) -> None:
    kept = mask(p=p).double()
    spread = (p * (1 - p)) ** 0.5
    # five standard deviations of independent draws: overall, and of the worst of 400 columns
    assert abs(kept.mean().item() - (1 - p)) <= 5 * spread / X.numel() ** 0.5
    assert (kept.mean(0) - (1 - p)).abs().max().item() <= 5 * spread / len(X) ** 0.5


def test_masks_of_other_seeds_steps_and_layers_are_independent() -> None:
    masks = [mask(), mask(seed=3408), mask(step=13), mask(number=4), mask(seed=12, step=3407)]
    masks += [mask(seed=3407 + 2**32), mask()[:, 1:], mask()[1:], mask()[:, :-1], mask()[:-1]]
    signs = [2 * kept.double() - 1 for kept in masks]
    pairs = [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 2), (2, 3), (6, 8), (7, 9)]
    for one, other in pairs:
        correlation = (signs[one] * signs[other]).mean().item()
        assert abs(correlation) <= 5 / signs[one].numel() ** 0.5, (one, other)


def test_a_mask_depends_on_the_index_in_the_flattened_input_alone() -> None:
    whole = mask()
    assert torch.equal(dropout.mask(X.view(-1)[:1001], KEY, 0.5, 3), whole.view(-1)[:1001])
    assert torch.equal(dropout.mask(X.half().t().t(), KEY, 0.5, 3), whole)
    assert torch.equal(mask(), whole)


def test_the_bits_of_a_mask() -> None:
    """A later version must draw the same masks, or a resumed run would differ."""
    kept = dropout.mask(torch.zeros(32), KEY, 0.5, 3)
    assert "".join(map(str, kept.int().tolist())) == "00000011000001100110010001001010"


def test_evaluation_returns_the_input() -> None:
    x = torch.randn(3, 5)
    assert dropout.evaluate(x, None, p=0.3, number=1) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5])
def test_a_wrong_probability_is_refused(p: float) -> None:
    message = f"dropout needs a probability of at least 0 and below 1, got {p}"
    for function in (dropout.forward, dropout.forward_chunked):
        with pytest.raises(SettingsError) as caught:
            function(X, KEY, p=p, number=0)
        assert str(caught.value) == message
