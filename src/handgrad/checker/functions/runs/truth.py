"""The reference on one sample in float64: the right results, and how far rounding moves them."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.functions.inputs.values import is_floating
from handgrad.checker.functions.runs.bench import Bench, Quantity, doubles
from handgrad.checker.functions.runs.calls import FunctionCall, InDouble
from handgrad.checker.functions.runs.jitter import PooledJitter
from handgrad.checker.functions.runs.steps import Stepwise
from handgrad.checker.functions.samples import memory
from handgrad.checker.functions.samples.sample import HALF, CheckSample
from handgrad.checker.passes.noise import DRAWS, noise_of
from handgrad.errors import CheckError

RANDOM = (
    "it draws random numbers, which differ between dtypes and layouts (only float64 contiguous is "
    "compared); pass the mask as an input"
)
Results = dict[Quantity, Tensor]
SECOND_SIZE = 4096
"""Inputs of more elements than this are not differentiated twice: it is slow, and a second gradient
that is wrong for them is wrong for smaller ones."""


@dataclass
class Truth:
    """The reference on one sample, in float64."""

    bench: Bench
    sample: CheckSample
    values: tuple[Any, ...]
    wanted: tuple[int, ...]
    call: FunctionCall
    casts: bool = True
    """Whether the reference asks for other floating dtypes, and must get float64 instead."""
    outputs: tuple[int, ...] = ()
    """Positions of the outputs that receive an upstream gradient."""
    upstream: tuple[Tensor, ...] = ()
    along: tuple[Tensor, ...] = ()
    """Factors of the gradients in the sum that is differentiated a second time."""
    second: bool = False
    results: Results = field(default_factory=dict)
    _noise: dict[int, Results] = field(default_factory=dict)
    """By the number of draws."""
    _native: Results | None = None

    def differentiate(self, outputs: Sequence[int]) -> None:
        """Draw upstream gradients for these outputs, and compute the right results."""
        generator = torch.Generator().manual_seed(self.sample.seed(f"upstream {self.bench.seed}"))
        dtype = getattr(torch, self.sample.dtype)
        self.outputs = tuple(outputs)
        self.upstream = tuple(
            memory.upstream(self.sample.upstream, self.call.outputs[i], dtype, generator)
            for i in self.outputs
        )
        self.along = tuple(
            torch.randn(v.shape, generator=generator, dtype=torch.float64).to(v.device, v.dtype)
            for v in (self.values[i] for i in self.wanted)
        )
        self._noise, self._native = {}, None
        largest = max((v.numel() for v in self.values if isinstance(v, Tensor)), default=0)
        self.second = self.bench.double_backward and bool(self.outputs) and largest <= SECOND_SIZE
        self.results = self._results(self.call, doubles(self.upstream))

    def with_changes(
        self,
        values: Sequence[Any] | None = None,
        upstream: Sequence[Tensor] | None = None,
        mode: TorchFunctionMode | None = None,
    ) -> Results | None:
        """Return the reference's results from other values or upstream gradients, in float64.

        `mode` is active during its forward. None where the reference cannot run on them.
        """
        try:
            with ExitStack() as modes:
                if self.casts:
                    modes.enter_context(InDouble())
                if mode is not None:
                    modes.enter_context(mode)
                given = doubles(self.values if values is None else values)
                call = self.bench.run_reference(given, self.wanted)
            return self._results(call, doubles(self.upstream if upstream is None else upstream))
        except (RuntimeError, ValueError, TypeError, IndexError):
            return None

    @property
    def is_finite(self) -> bool:
        """Whether every output that is differentiated is finite in the sample's dtype."""
        largest = torch.finfo(getattr(torch, self.sample.dtype)).max
        return all(bool((self.call.outputs[i].abs() <= largest).all()) for i in self.outputs)

    def noise(self, quantity: Quantity, draws: int = DRAWS) -> Tensor:
        """Return how far rounding in the sample's dtype moves the quantity, elementwise."""
        if draws not in self._noise:
            start = max((n for n in self._noise if n < draws), default=0)
            eps = torch.finfo(getattr(torch, self.sample.dtype)).eps
            truths = list(self.results.values())
            moves = noise_of(self._moved, truths, eps, draws, start, PooledJitter)
            noise = {q: v for q, v in zip(self.results, moves, strict=True) if v is not None}
            if start:
                noise = {q: torch.maximum(v, self._noise[start][q]) for q, v in noise.items()}
            self._noise[draws] = noise
        return self._noise[draws][quantity]

    def _moved(self, move: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return the results with every input and upstream gradient moved within its rounding."""
        values = [move(v) if is_floating(v) else v for v in doubles(self.values)]
        with ExitStack() as modes:
            if self.casts:
                modes.enter_context(InDouble())
            if self.sample.dtype in HALF:
                modes.enter_context(Stepwise())  # the function may round where torch does not
            call = self.bench.run_reference(values, self.wanted)
        results = self._results(call, [move(u) for u in doubles(self.upstream)])
        return [results[quantity] for quantity in self.results]

    def native(self, quantity: Quantity) -> Tensor | None:
        """Return autograd's result from the reference in the sample's own dtype, if it runs."""
        if self._native is None:
            self._native = {}
            if self.sample.dtype != "float64":
                try:
                    plain = [v.contiguous() if isinstance(v, Tensor) else v for v in self.values]
                    call = FunctionCall(self.bench.reference, plain, self.wanted)
                    self._native = self._results(call, self.upstream)
                except (RuntimeError, TypeError, NotImplementedError):
                    pass  # not available in this dtype; the noise alone is the scale
        return self._native.get(quantity)

    def _results(self, call: FunctionCall, upstream: Sequence[Tensor]) -> Results:
        results = {Quantity("output", i): t.detach() for i, t in enumerate(call.outputs)}
        if not self.outputs:
            return results
        gradients = call.gradients(self.outputs, upstream)
        for i, gradient in zip(self.wanted, gradients, strict=True):
            zeros = torch.zeros_like(call.leaves[i].detach())
            results[Quantity("gradient", i)] = zeros if gradient is None else gradient
        if self.second:
            results.update(self._second(call, upstream))
        return results

    def _second(self, call: FunctionCall, upstream: Sequence[Tensor]) -> Results:
        leaves = [call.leaves[i] for i in call.wanted]
        along = [v.to(u.dtype) for v, u in zip(self.along, leaves, strict=True)]
        try:
            gradients = call.second_gradients(self.outputs, upstream, along)
        except RuntimeError:  # the gradient depends on nothing, so its own gradient is 0
            gradients = (None,) * (len(self.wanted) + len(self.outputs))
        shaped = [*leaves, *(call.outputs[i] for i in self.outputs)]
        return {
            quantity: torch.zeros_like(of.detach()) if gradient is None else gradient.detach()
            for quantity, gradient, of in zip(
                second_quantities(self.wanted, self.outputs), gradients, shaped, strict=True
            )
        }


def second_quantities(wanted: Sequence[int], outputs: Sequence[int]) -> list[Quantity]:
    """Return the second gradients in the order of `FunctionCall.second_gradients`."""
    return [Quantity("second", i) for i in (*wanted, *(-1 - k for k in outputs))]


def truth_of(bench: Bench, sample: CheckSample) -> Truth:
    """Run the reference on a sample. Raises whatever it raises, and ValueError where it is void."""
    values, wanted = bench.values(sample), bench.wanted(sample)
    with InDouble() as mode:
        call = bench.run_reference(doubles(values), wanted)
    if call.random and (sample.dtype != "float64" or sample.layout not in ("contiguous", "given")):
        raise ValueError(RANDOM)
    truth = Truth(bench, sample, values, wanted, call, mode.used)
    if not call.outputs:
        raise CheckError("the reference returns no tensor")
    outputs = [] if bench.forward_only else call.differentiable()
    truth.differentiate([i for i in outputs if sample.output in (None, i)])
    if 0 in sample.size_of.values() and not all(map(_is_finite, truth.results.values())):
        raise ValueError("the reference's result is not finite for an empty input")
    return truth


def _is_finite(value: Tensor) -> bool:
    return not is_floating(value) or bool(value.isfinite().all())
