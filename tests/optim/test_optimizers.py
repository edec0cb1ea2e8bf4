"""Our optimizers against torch's, over some steps on parameters of awkward shapes."""

import numpy as np
import pytest
import torch

from handgrad.optim import OPTIMIZERS, Hyperparameters, Tensors, bias_corrections
from handgrad.training.settings import TrainSettings

SHAPES = {"scalar": (), "vector": (7,), "row": (1, 5), "matrix": (3, 4)}
STEPS = 20


def draw(seed: int) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def both(
    settings: TrainSettings, reference: type[torch.optim.Optimizer], **options: float
) -> tuple[Tensors, Tensors]:
    """Return (ours, torch's) after the same gradients."""
    settings = settings.resolved()
    ours, theirs = draw(0), {name: p.requires_grad_() for name, p in draw(0).items()}
    row = OPTIMIZERS[settings.optimizer]
    tensors, hyper = row.tensors(ours), settings.hyperparameters
    decayed = list(theirs) if settings.optimizer == "sgd" else ["matrix"]
    groups = [
        {"params": [p for name, p in theirs.items() if name in decayed]},
        {"params": [p for name, p in theirs.items() if name not in decayed], "weight_decay": 0.0},
    ]
    if not groups[1]["params"]:
        groups.pop()
    torchs = reference(groups, lr=settings.lr, **options)  # type: ignore[call-arg]
    for step in range(STEPS):
        grads = draw(step + 1)
        rates = row.rates(settings.lr or 0.0, step, hyper)
        row.update(ours, grads, tensors, rates, hyper)
        for name, param in theirs.items():
            param.grad = grads[name].clone()
        torchs.step()
    return ours, theirs


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_sgd_is_torchs_bit_for_bit(weight_decay: float) -> None:
    settings = TrainSettings(weight_decay=weight_decay)
    ours, theirs = both(settings, torch.optim.SGD, weight_decay=weight_decay)
    for name in SHAPES:
        assert torch.equal(ours[name], theirs[name]), name


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(
    ("name", "reference"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_adams_are_torchs_to_rounding(
    name: str, reference: type[torch.optim.Optimizer], weight_decay: float
) -> None:
    """With weight decay of the matrix alone."""
    settings = TrainSettings(optimizer=name, lr=0.01, weight_decay=weight_decay)
    ours, theirs = both(settings, reference, weight_decay=weight_decay)
    for name in SHAPES:
        # 20 steps of a few roundings each, parameters of size about 1: 20 * 4 * 2**-24 = 5e-6
        assert torch.allclose(ours[name], theirs[name], rtol=0, atol=5e-6), name


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_may_be_tensors(name: str, dtype: torch.dtype, weight_decay: float) -> None:
    """As in a captured step: the step's rates in the parameters' dtype."""
    hyper = Hyperparameters(weight_decay=weight_decay)
    row = OPTIMIZERS[name]
    ours, theirs = ({key: p.to(dtype) for key, p in draw(0).items()} for _ in range(2))
    held, kept = row.tensors(ours), row.tensors(theirs)
    for step in range(STEPS):
        grads = {key: grad.to(dtype) for key, grad in draw(step + 1).items()}
        rates = row.rates(0.01 / (step + 1), step, hyper)
        row.update(ours, grads, held, torch.tensor(rates, dtype=dtype).unbind(), hyper)
        row.update(theirs, grads, kept, rates, hyper)
    for key, value in (theirs | kept).items():
        # a product is rounded before it is added, once a step, and is no larger than its parameter
        bound = STEPS * torch.finfo(dtype).eps * max(1.0, value.abs().max().item())
        torch.testing.assert_close((ours | held)[key], value, rtol=0, atol=bound)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_do_not_change(name: str) -> None:
    hyper = Hyperparameters(weight_decay=0.1)
    params, grads = draw(0), draw(1)
    before = {key: grad.clone() for key, grad in grads.items()}
    row = OPTIMIZERS[name]
    row.update(params, grads, row.tensors(params), row.rates(0.1, 0, hyper), hyper)
    assert all(torch.equal(grads[key], before[key]) for key in grads)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_order_of_the_gradients_does_not_matter(name: str) -> None:
    hyper = Hyperparameters()
    one, other, grads = draw(0), draw(0), draw(1)
    turned = dict(reversed(grads.items()))
    row = OPTIMIZERS[name]
    rates = row.rates(0.1, 0, hyper)
    row.update(one, grads, row.tensors(one), rates, hyper)
    row.update(other, turned, row.tensors(other), rates, hyper)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_bias_corrections_are_those_of_adam_for_numbers_and_arrays() -> None:
    hyper = Hyperparameters(beta1=0.5, beta2=0.75)
    assert bias_corrections(hyper, 2) == (0.75, 0.4375)
    first, second = bias_corrections(hyper, np.array([1.0, 2.0]))
    assert first.tolist() == [0.5, 0.75]
    assert second.tolist() == [0.25, 0.4375]
