"""OPTIMIZERS: name -> how parameters follow their gradients; functions over dicts, nothing hidden.

`update` writes to the parameters and to the optimizer's own tensors: a fresh copy a step would cost
more than the arithmetic at the lecture's sizes. Where torch has the same optimizer, the order of
its operations is kept, so that the numbers agree: SGD (Robbins & Monro 1951) bit for bit, AdamW
(Loshchilov & Hutter 2017, arXiv:1711.05101) to rounding. One `_foreach` call over all tensors, as
torch's own optimizers make it, takes two thirds of the time of a call a tensor, and far less on an
accelerator.

What depends on the step is its `rates`: numbers, or tensors where a captured graph reads them anew
at each replay. An update has one formula for both.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from handgrad.train.settings import TrainSettings

Tensors = dict[str, "Tensor"]
Rates = Sequence["float | Tensor"]
"""All numbers, or all tensors of no dimension on the parameters' device."""


@dataclass(frozen=True)
class Optimizer:
    """One row of OPTIMIZERS; `lr` and `weight_decay` are its defaults."""

    lr: float
    weight_decay: float
    moments: tuple[str, ...]
    """What it keeps of every parameter, by name."""
    rates: "Callable[[float, int, TrainSettings], tuple[float, ...]]"
    """(lr, step counted from 0, resolved settings): what `update` wants of the step."""
    update: "Callable[[Tensors, Tensors, Tensors, Rates, TrainSettings], None]"
    """(params, grads, tensors, rates, resolved settings): one step, in place."""

    def tensors(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The optimizer's tensors before the first step, one flat dict, for saving."""
        return {
            f"{moment}.{name}": param * 0  # of a tensor or an array
            for moment in self.moments
            for name, param in params.items()
        }


def _sgd_rates(lr: float, step: int, settings: "TrainSettings") -> tuple[float, ...]:
    return (-lr,)


def _sgd(
    params: Tensors,
    grads: Tensors,
    tensors: Tensors,
    rates: Rates,
    settings: "TrainSettings",
) -> None:
    """param -= lr * (grad + weight_decay * param)"""
    import torch

    [rate] = rates
    values, gradients = list(params.values()), [grads[name] for name in params]
    if settings.weight_decay:
        gradients = list(torch._foreach_add(gradients, values, alpha=settings.weight_decay))
    if isinstance(rate, torch.Tensor):  # which alpha cannot be
        torch._foreach_add_(values, torch._foreach_mul(gradients, rate))
    else:
        torch._foreach_add_(values, gradients, alpha=rate)


def _adamw_rates(lr: float, step: int, settings: "TrainSettings") -> tuple[float, ...]:
    """Weight decay's factor, and Adam's corrections for moments that start from zero."""
    assert settings.weight_decay is not None
    bias1, bias2 = 1 - settings.beta1 ** (step + 1), 1 - settings.beta2 ** (step + 1)
    return 1 - lr * settings.weight_decay, math.sqrt(bias2), -lr / bias1


def _adamw(
    params: Tensors,
    grads: Tensors,
    tensors: Tensors,
    rates: Rates,
    settings: "TrainSettings",
) -> None:
    """Decoupled weight decay, then Adam's step on the corrected moments."""
    import torch

    decay, root_bias2, rate = rates
    beta1, beta2 = settings.beta1, settings.beta2
    values, gradients = list(params.values()), [grads[name] for name in params]
    first = [tensors[f"first.{name}"] for name in params]
    second = [tensors[f"second.{name}"] for name in params]
    torch._foreach_mul_(values, decay)
    torch._foreach_lerp_(first, gradients, 1 - beta1)
    torch._foreach_mul_(second, beta2)
    torch._foreach_addcmul_(second, gradients, gradients, value=1 - beta2)
    denominators = torch._foreach_sqrt(second)
    torch._foreach_div_(denominators, root_bias2)
    torch._foreach_add_(denominators, settings.eps)
    if isinstance(rate, torch.Tensor):  # which value cannot be
        torch._foreach_addcdiv_(values, torch._foreach_mul(first, rate), denominators)
    else:
        torch._foreach_addcdiv_(values, first, denominators, value=rate)


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(lr=0.1, weight_decay=0.0, moments=(), rates=_sgd_rates, update=_sgd),
    "adamw": Optimizer(
        lr=0.001,
        weight_decay=0.01,
        moments=("first", "second"),
        rates=_adamw_rates,
        update=_adamw,
    ),
}
