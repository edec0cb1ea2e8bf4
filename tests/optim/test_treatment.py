"""Gradients before an update: clipping as torch's clip_grad_norm_, means over batches."""

import math

import pytest
import torch

from handgrad.optim import Tensors, Treatment

SHAPES = {"vector": (7,), "row": (1, 5), "matrix": (3, 4), "scalar": ()}


def drawn(seed: int, dtype: torch.dtype = torch.float64) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator, dtype=dtype) for name, shape in SHAPES.items()
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("most", [0.001, 1.0, 5.0, 1e9])
def test_clipping_is_torchs_bit_for_bit(most: float, dtype: torch.dtype) -> None:
    grads = drawn(1, dtype)
    params = [torch.zeros_like(grad).requires_grad_() for grad in grads.values()]
    for param, grad in zip(params, grads.values(), strict=True):
        param.grad = grad.clone()
    torch.nn.utils.clip_grad_norm_(params, most, foreach=True)
    clipped = Treatment(clip=most).apply([grads])
    for ours, param in zip(clipped.values(), params, strict=True):
        assert param.grad is not None
        assert torch.equal(ours, param.grad)


def test_a_norm_that_is_not_finite_is_not_hidden() -> None:
    for bad in (math.nan, math.inf):
        grads = drawn(1)
        grads["row"][0, 2] = bad
        assert not Treatment(clip=1.0).apply([grads])["row"].isfinite().all()


def test_the_mean_of_batches_is_clipped_once() -> None:
    batches = [drawn(seed) for seed in range(3)]
    before = [{name: grad.clone() for name, grad in batch.items()} for batch in batches]
    mean = {name: sum(batch[name] for batch in batches) / 3 for name in SHAPES}
    norm = math.sqrt(sum(float((grad**2).sum()) for grad in mean.values()))
    treated = Treatment(clip=0.5, accumulate=3).apply(iter(batches))
    for name, grad in mean.items():
        torch.testing.assert_close(treated[name], grad * 0.5 / (norm + 1e-6))
    for batch, same in zip(batches, before, strict=True):
        assert all(torch.equal(batch[name], same[name]) for name in SHAPES)


def test_untreated_gradients_are_the_same_tensors() -> None:
    grads = drawn(1)
    assert Treatment().apply([grads]) is grads


def test_losses_of_an_update_are_averaged() -> None:
    losses = [1.0, 2.0, 3.0, 5.0, math.nan]
    assert Treatment().mean(losses[:3]) == [1.0, 2.0, 3.0]
    one, two, last = Treatment(accumulate=2).mean(losses)
    assert (one, two, math.isnan(last)) == (1.5, 4.0, True)
