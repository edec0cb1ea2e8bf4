"""OPTIMIZERS: name -> how parameters follow their gradients; functions over dicts, nothing hidden.

`update` writes to the parameters and to the optimizer's own tensors: a fresh copy a step would cost
more than the arithmetic at the lecture's sizes. Where torch has the same optimizer, the order of
its operations is kept, so that the numbers agree: SGD (Robbins & Monro 1951) bit for bit, AdamW
(Loshchilov & Hutter 2017, arXiv:1711.05101) to rounding. One `_foreach` call over all tensors, as
torch's own optimizers make it, takes two thirds of the time of a call a tensor, and far less on an
accelerator.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from handgrad.train.settings import TrainSettings

Tensors = dict[str, "Tensor"]


@dataclass(frozen=True)
class Optimizer:
    """One row of OPTIMIZERS; `lr` and `weight_decay` are its defaults."""

    lr: float
    weight_decay: float
    moments: tuple[str, ...]
    """What it keeps of every parameter, by name."""
    update: "Callable[[Tensors, Tensors, Tensors, float, int, TrainSettings], None]"
    """(params, grads, tensors, lr, step counted from 0, resolved settings): one step, in place."""

    def tensors(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The optimizer's tensors before the first step, one flat dict, for saving."""
        return {
            f"{moment}.{name}": param * 0  # of a tensor or an array
            for moment in self.moments
            for name, param in params.items()
        }


def _sgd(
    params: Tensors,
    grads: Tensors,
    tensors: Tensors,
    lr: float,
    step: int,
    settings: "TrainSettings",
) -> None:
    """param -= lr * (grad + weight_decay * param)"""
    import torch

    values, gradients = list(params.values()), [grads[name] for name in params]
    if settings.weight_decay:
        gradients = list(torch._foreach_add(gradients, values, alpha=settings.weight_decay))
    torch._foreach_add_(values, gradients, alpha=-lr)


def _adamw(
    params: Tensors,
    grads: Tensors,
    tensors: Tensors,
    lr: float,
    step: int,
    settings: "TrainSettings",
) -> None:
    """Decoupled weight decay, then Adam's step on moments corrected for starting from zero."""
    import torch

    assert settings.weight_decay is not None
    beta1, beta2 = settings.beta1, settings.beta2
    bias1, bias2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)
    values, gradients = list(params.values()), [grads[name] for name in params]
    first = [tensors[f"first.{name}"] for name in params]
    second = [tensors[f"second.{name}"] for name in params]
    torch._foreach_mul_(values, 1 - lr * settings.weight_decay)
    torch._foreach_lerp_(first, gradients, 1 - beta1)
    torch._foreach_mul_(second, beta2)
    torch._foreach_addcmul_(second, gradients, gradients, value=1 - beta2)
    denominators = torch._foreach_sqrt(second)
    torch._foreach_div_(denominators, math.sqrt(bias2))
    torch._foreach_add_(denominators, settings.eps)
    torch._foreach_addcdiv_(values, first, denominators, value=-lr / bias1)


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(lr=0.1, weight_decay=0.0, moments=(), update=_sgd),
    "adamw": Optimizer(lr=0.001, weight_decay=0.01, moments=("first", "second"), update=_adamw),
}
