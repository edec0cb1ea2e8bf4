"""How large the tensors of both functions become at a large size, judged from small ones."""

from collections.abc import Iterable, Mapping, Sequence
from math import log2
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from handgrad.checker.functions.inputs.isolation import uncompiled
from handgrad.checker.functions.runs.bench import Bench, doubles
from handgrad.checker.functions.runs.calls import FunctionCall
from handgrad.checker.functions.samples.sample import CheckSample

SMALL, DOUBLE = 128, 256
"""Sizes that kernels which need a multiple of a block accept too."""


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, `elements` becomes the size of the largest tensor of any operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elements = 0

    def measured(
        self,
        func: Any,
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation and measure its results."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            for value in result if isinstance(result, tuple | list) else (result,):
                if isinstance(value, Tensor):
                    self.elements = max(self.elements, value.numel())
        return result


Largest.__torch_dispatch__ = Largest.measured  # type: ignore[method-assign, assignment]


def elements_at(bench: Bench, sample: CheckSample, letter: str, size: int) -> float:
    """Return about how many elements the largest tensor has at this size of the letter.

    Infinite if the functions cannot run at such sizes.
    """
    try:
        few, twice = (_elements(bench, sample.sized({letter: n})) for n in (SMALL, DOUBLE))
    except Exception:
        return torch.inf
    power = log2(max(twice, 1) / max(few, 1))
    return float(twice * (size / DOUBLE) ** power)


def _elements(bench: Bench, sample: CheckSample) -> int:
    values, wanted = bench.values(sample), bench.wanted(sample)
    largest = 0
    for run, given in ((bench.run_reference, doubles(values)), (bench.run_function, values)):
        with uncompiled(), Largest() as mode:
            call: FunctionCall = run(given, wanted)
            outputs = call.differentiable()
            if outputs:
                ones = [torch.ones_like(call.outputs[i].detach()) for i in outputs]
                call.gradients(outputs, ones)
        largest = max(largest, mode.elements)
    return largest
