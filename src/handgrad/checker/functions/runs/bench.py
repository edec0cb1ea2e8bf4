"""What a check compares: two functions, their inputs and options."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from handgrad.checker.functions.inputs.specs import Inputs
from handgrad.checker.functions.inputs.values import is_floating
from handgrad.checker.functions.runs.calls import FunctionCall
from handgrad.checker.functions.samples import memory
from handgrad.checker.functions.samples.sample import CheckSample


class Quantity(NamedTuple):
    """One result that is judged.

    output     output `number`
    gradient   the gradient of input `number`
    second     the second gradient of input `number`; -1 - k stands for the upstream of output k
    run        the whole call
    """

    kind: Literal["output", "gradient", "second", "run"]
    number: int = 0


@dataclass(frozen=True)
class Bench:
    """What a check compares, and how."""

    function: Callable[..., Any]
    reference: Callable[..., Any]
    inputs: Inputs
    double_backward: bool = False
    seed: int = 0
    forward_only: bool = False
    threads: int = field(default_factory=torch.get_num_threads)
    """CPU threads of the function under test. The reference uses one."""
    wrong: set[Quantity] = field(default_factory=set)
    """Quantities already found wrong with MANY draws of the noise: fewer draws do for others."""

    def wanted(self, sample: CheckSample) -> tuple[int, ...]:
        """Return the positions of the inputs that require a gradient."""
        if self.forward_only:
            return ()
        if sample.grad is None:
            return self.inputs.wrt
        return (self.inputs.names.index(sample.grad),)

    def values(self, sample: CheckSample) -> tuple[Any, ...]:
        """Return the inputs of a sample, in its dtype and memory layout."""
        seed = sample.seed(f"inputs {self.seed}")
        drawn = self.inputs.apart(sample.size_of, seed, sample.apart)
        generator = torch.Generator().manual_seed(sample.seed("memory"))
        dtype = getattr(torch, sample.dtype)
        values = []
        for i, (name, value) in enumerate(zip(self.inputs.names, drawn, strict=True)):
            if isinstance(value, Tensor):
                value = value.to(dtype) if value.is_floating_point() else value
                if sample.zeros and _may_be_zero(value):
                    value[:1] = 0
                if sample.ties and value.is_floating_point():
                    value = _in_halves(value)
                layout = sample.layout if sample.on in (None, name) else "contiguous"
                order = self.inputs.orders[i] if layout == "given" else None
                if order is not None:
                    value = memory.ordered(value, order)
                else:
                    value = memory.LAYOUTS.get(layout, memory.contiguous)(value, generator)
            values.append(value)
        return tuple(values)

    def run_function(self, values: Sequence[Any], wanted: Sequence[int]) -> FunctionCall:
        """Call the function under test on copies of `values`."""
        return FunctionCall(self.function, values, wanted, threads=self.threads)

    def run_reference(self, values: Sequence[Any], wanted: Sequence[int]) -> FunctionCall:
        """Call the reference on `values` themselves."""
        return FunctionCall(self.reference, values, wanted, copy=False)


def _may_be_zero(value: Tensor) -> bool:
    """Return whether 0 lies within the range of the values: positive numbers stay positive."""
    return value.is_floating_point() and value.dim() > 0 and not bool((value > 0).all())


def _in_halves(value: Tensor) -> Tensor:
    """Return the values rounded to halves; positive numbers stay positive."""
    rounded = (2 * value).round() / 2
    return rounded.clamp(min=0.5) if bool((value > 0).all()) else rounded


def doubles(values: Sequence[Any]) -> list[Any]:
    """Return contiguous float64 copies of the floating tensors, and everything else unchanged."""
    return [
        v.detach().to(torch.float64, copy=True, memory_format=torch.contiguous_format)
        if is_floating(v)
        else v
        for v in values
    ]
