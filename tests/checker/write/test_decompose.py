"""The decomposed functions compute what torch computes, and pass on every statistic."""

import pytest
import torch
import torch.nn.functional as F

from handgrad.checker.write.decompose import DECOMPOSED

TARGETS = torch.tensor([0, 3, 1, 1, 2])
CALLS = {
    "softmax": (F.softmax, {"dim": 1}),
    "log_softmax": (F.log_softmax, {"dim": 0}),
    "cross_entropy": (F.cross_entropy, {"target": TARGETS, "ignore_index": 3}),
    "layer_norm": (F.layer_norm, {"normalized_shape": (4,), "weight": torch.rand(4), "eps": 0.1}),
    "batch_norm": (
        F.batch_norm,
        {"running_mean": None, "running_var": None, "bias": torch.rand(4), "training": True},
    ),
    "rms_norm": (F.rms_norm, {"normalized_shape": (5, 4), "eps": 0.1}),
    "normalize": (F.normalize, {"p": 3.0, "dim": 0}),
}


def gradient(result: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a weighted sum of the result by x."""
    g = torch.Generator().manual_seed(2)
    weights = torch.randn(result.shape, generator=g, dtype=result.dtype)
    return torch.autograd.grad((result * weights).sum(), x)[0]


@pytest.mark.parametrize("name", DECOMPOSED)
def test_result_and_gradient_equal_those_of_torch(name: str) -> None:
    function, settings = CALLS[name]
    settings = {k: v.double() if k in ("weight", "bias") else v for k, v in settings.items()}  # type: ignore[union-attr]
    g = torch.Generator().manual_seed(1)
    x = torch.randn(5, 4, generator=g, dtype=torch.float64, requires_grad=True)
    seen: list[str] = []

    def hold(statistic: str, value: torch.Tensor) -> torch.Tensor:
        seen.append(statistic)
        return value

    result, expected = DECOMPOSED[name].run(hold, x, **settings), function(x, **settings)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient(result, x), gradient(expected, x), rtol=1e-12, atol=1e-12)
    assert tuple(seen) == DECOMPOSED[name].statistics


@pytest.mark.parametrize("name", DECOMPOSED)
def test_detached_statistics_change_the_gradient_and_not_the_result(name: str) -> None:
    _, settings = CALLS[name]
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    run = DECOMPOSED[name].run
    free = run(lambda _, value: value, x, **settings)
    held = run(lambda _, value: value.detach(), x, **settings)
    assert torch.equal(held, free)
    assert not torch.allclose(gradient(held, x), gradient(free, x), rtol=1e-2)


def test_forms_that_are_not_decomposed_are_refused() -> None:
    x = torch.randn(5, 4)
    with pytest.raises(RuntimeError, match="more than one class per row"):
        DECOMPOSED["cross_entropy"].run(lambda _, value: value, x, x.softmax(1))
    with pytest.raises(RuntimeError, match="batch_norm in evaluation reduces nothing"):
        DECOMPOSED["batch_norm"].run(lambda _, value: value, x)
