"""A step can be captured, as far as this is known without a GPU: nothing in it waits for a value.

On the device "meta" no value can be read, and no shape may depend on a value: torch refuses both.
Tensors from the host's memory are refused below.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from handgrad.data import Dataset
from handgrad.layers import tanh
from handgrad.optim import OPTIMIZERS
from handgrad.training.backends.graphs import GraphSteps
from tiny import begun, model_for, words_dataset

SIZES: list[dict[str, Any]] = [
    {"n_layer": 0},
    {"n_layer": 1},
    {"n_layer": 3},
    {"n_layer": 2, "batchnorm": False},
    {"batchnorm_output": True},
    {"hidden_bias": False},
]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return words_dataset(tmp_path)


class Held(TorchDispatchMode):
    """Require that every tensor that is read is known or results from an operation within.

    No tensor may be on the host: neither copies from it, nor constants, nor lists used as indices.
    """

    def __init__(self, held: list[Tensor]) -> None:
        super().__init__()
        self._known = list(held)  # kept, so that no other tensor gets the id of one

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        known = {id(tensor) for tensor in self._known}
        if not all(id(tensor) in known for tensor in of(args, kwargs)):
            raise RuntimeError(f"{func} reads a tensor that no operation made")
        out = func(*args, **(kwargs or {}))
        if any(tensor.device.type != "meta" for tensor in of(out)):
            raise RuntimeError(f"{func} makes a tensor of the host's")
        self._known += of(out)
        return out


def of(*values: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def capture_on_meta(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    with Held(of(vars(step.__self__))):  # type: ignore[attr-defined]
        step()
    return step


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("sizes", SIZES)
def test_a_step_can_be_captured(
    dataset: Dataset, sizes: dict[str, Any], optimizer: str, dtype: str
) -> None:
    settings = {"optimizer": optimizer, "dtype": dtype, "weight_decay": 0.1}
    run, start = begun(dataset, model_for(dataset, **sizes), device="meta", **settings)
    GraphSteps(run, dataset, start, capture_on_meta)


def test_a_step_with_treated_gradients_can_be_captured(dataset: Dataset) -> None:
    settings = {"clip": 1.0, "accumulate": 2, "optimizer": "adam"}
    run, start = begun(dataset, model_for(dataset), device="meta", **settings)
    GraphSteps(run, dataset, start, capture_on_meta)


REFUSED: dict[str, Callable[[Tensor], Tensor]] = {
    "a number read": lambda h: h * h.sum().item(),
    "a choice by value": lambda h: h if h.sum() > 0 else -h,
    "a shape by value": lambda h: h.masked_fill(h > 0, 0)[h.nonzero()[:, 0]],
    "a boolean index": lambda h: h[h > 0].sum() * h,
    "different values": lambda h: torch.unique(h).sum() * h,
    "a constant from a list": lambda h: h * torch.tensor([2.0], device=h.device),
    "a list for an index": lambda h: h[list(range(len(h)))],
    "a constant of the host's": lambda h: h * torch.tensor(2.0),
    "an index of the host's": lambda h: h[torch.arange(len(h))],
    "a copy to the host": lambda h: h.cpu().to(h.device),
}


@pytest.mark.parametrize("what", REFUSED)
def test_operations_that_cannot_be_captured_are_refused(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The test above can fail."""
    forward = tanh.forward

    def refused(hpreact: Tensor) -> tuple[Tensor, Tensor]:
        h, _ = forward(hpreact)
        return REFUSED[what](h), h

    run, start = begun(dataset, device="meta")
    GraphSteps(run, dataset, start, capture_on_meta)
    monkeypatch.setattr(tanh, "forward", refused)
    with pytest.raises(RuntimeError):
        GraphSteps(run, dataset, start, capture_on_meta)
