"""One sample run by the function and by the reference; every number judged by R against float64."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.functions import memory
from handgrad.checker.functions.calls import Call, InDouble, on_cuda
from handgrad.checker.functions.samples import Sample
from handgrad.checker.functions.specs import Inputs
from handgrad.checker.passes.compare import LIMITS, ratio_of
from handgrad.checker.passes.noise import DRAWS, noise_of


class Quantity(NamedTuple):
    """What is judged: output `number`; the gradient by input `number`; the second gradient by it.

    The second gradient by the upstream of output k has number -1 - k. "run" is the whole call.
    """

    kind: Literal["output", "gradient", "second", "run"]
    number: int = 0


Values = dict[Quantity, Tensor]

FEW, MANY, FAR = 2, 24, 1e3
"""Draws of the noise: a few decide where R is within the limit, or the error FAR times beyond the
limit even on the scale of the largest noise. What is to be called wrong is wrong by many: where all
terms cancel, a draw's move is 0 now and then."""


@dataclass(frozen=True)
class Bench:
    """What a check is made of."""

    function: Callable[..., Any]
    reference: Callable[..., Any]
    inputs: Inputs
    double_backward: bool = False
    seed: int = 0
    wrong: set[Quantity] = field(default_factory=set)
    """What was wrong in some sample by MANY draws: in others fewer will do."""

    def wanted(self, sample: Sample) -> tuple[int, ...]:
        """Return the positions of the inputs that require a gradient."""
        if sample.grad is None:
            return self.inputs.wrt
        return (self.inputs.names.index(sample.grad),)

    def values(self, sample: Sample) -> tuple[Any, ...]:
        """Return the inputs: drawn, cast, laid in memory as the sample has it."""
        drawn = self.inputs.draw(sample.size_of, sample.seed(f"inputs {self.seed}"))
        generator = torch.Generator().manual_seed(sample.seed("memory"))
        lay, dtype = memory.LAYOUTS[sample.layout], getattr(torch, sample.dtype)
        laid = []
        for name, value in zip(self.inputs.names, drawn, strict=True):
            if isinstance(value, Tensor):
                value = value.to(dtype) if value.is_floating_point() else value
                if sample.zeros and _has_zero(value):
                    value[:1] = 0
                value = lay(value, generator) if sample.on in (None, name) else value
            laid.append(value)
        return tuple(laid)


@dataclass
class Truth:
    """The reference on one sample, in float64: what is right, how far rounding moves it."""

    bench: Bench
    sample: Sample
    values: tuple[Any, ...]
    wanted: tuple[int, ...]
    call: Call
    casts: bool = True
    """Whether the reference asks for other floating dtypes, which must not be had."""
    outputs: tuple[int, ...] = ()
    """The outputs that a gradient comes to."""
    upstream: tuple[Tensor, ...] = ()
    along: tuple[Tensor, ...] = ()
    """What the gradients are multiplied by before they are differentiated again."""
    second: bool = False
    found: Values = field(default_factory=dict)
    _noise: dict[int, Values] = field(default_factory=dict)
    """By the number of draws."""
    _native: Values | None = None

    def differentiate(self, outputs: Sequence[int]) -> None:
        """Draw the upstream gradients of these outputs, and find what is right."""
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
        self.second = self.bench.double_backward and bool(self.outputs)
        self.found = self._of(self.call, doubles(self.upstream))

    def of(
        self,
        values: Sequence[Any] | None = None,
        upstream: Sequence[Tensor] | None = None,
        mode: TorchFunctionMode | None = None,
    ) -> Values | None:
        """Return what the reference gives in float64 from other values or upstream gradients.

        `mode` is active around its forward. None where that cannot be.
        """
        try:
            with ExitStack() as modes:
                if self.casts:
                    modes.enter_context(InDouble())
                if mode is not None:
                    modes.enter_context(mode)
                given = doubles(self.values if values is None else values)
                call = Call(self.bench.reference, given, self.wanted, own=True)
            return self._of(call, doubles(self.upstream if upstream is None else upstream))
        except (RuntimeError, ValueError, TypeError, IndexError):
            return None

    def noise(self, quantity: Quantity, draws: int = DRAWS) -> Tensor:
        """Return how far the rounding of the sample's dtype moves it, elementwise."""
        if draws not in self._noise:
            names = list(self.found)
            eps = torch.finfo(getattr(torch, self.sample.dtype)).eps
            drawn = noise_of(self._moved, [self.found[n] for n in names], eps, draws)
            self._noise[draws] = {n: v for n, v in zip(names, drawn, strict=True) if v is not None}
        return self._noise[draws][quantity]

    def _moved(self, move: Callable[[Tensor], Tensor]) -> list[Tensor]:
        values = [_moved(v, move) for v in doubles(self.values)]
        with InDouble() if self.casts else nullcontext():
            call = Call(self.bench.reference, values, self.wanted, own=True)
        got = self._of(call, [move(u) for u in doubles(self.upstream)])
        return [got[name] for name in self.found]

    def native(self, quantity: Quantity) -> Tensor | None:
        """Return what autograd has from the reference in the sample's own dtype, if it runs."""
        if self._native is None:
            self._native = {}
            if self.sample.dtype != "float64":
                try:
                    plain = [v.contiguous() if isinstance(v, Tensor) else v for v in self.values]
                    call = Call(self.bench.reference, plain, self.wanted)
                    self._native = self._of(call, self.upstream)
                except (RuntimeError, TypeError, NotImplementedError):
                    pass  # it has no such dtype; the noise alone is the scale
        return self._native.get(quantity)

    def _of(self, call: Call, upstream: Sequence[Tensor]) -> Values:
        found = {Quantity("output", i): t.detach() for i, t in enumerate(call.outputs)}
        if not self.outputs:
            return found
        gradients = call.gradients(self.outputs, upstream)
        for i, gradient in zip(self.wanted, gradients, strict=True):
            value = call.leaves[i].detach()
            found[Quantity("gradient", i)] = (
                torch.zeros_like(value) if gradient is None else gradient
            )
        if self.second:
            found.update(self._second(call, upstream))
        return found

    def _second(self, call: Call, upstream: Sequence[Tensor]) -> Values:
        along = [v.to(u.dtype) for v, u in zip(self.along, _leaves(call), strict=True)]
        try:
            gradients = call.twice(self.outputs, upstream, along)
        except RuntimeError:  # the gradient depends on nothing: its own gradient is 0
            gradients = (None,) * (len(self.wanted) + len(self.outputs))
        shaped = [*_leaves(call), *(call.outputs[i] for i in self.outputs)]
        return {
            quantity: torch.zeros_like(of.detach()) if gradient is None else gradient.detach()
            for quantity, gradient, of in zip(
                seconds(self.wanted, self.outputs), gradients, shaped, strict=True
            )
        }


def seconds(wanted: Sequence[int], outputs: Sequence[int]) -> list[Quantity]:
    """Return the second gradients in the order of `Call.twice`."""
    return [Quantity("second", i) for i in (*wanted, *(-1 - k for k in outputs))]


def doubles(values: Sequence[Any]) -> list[Any]:
    """Return copies of the floating tensors in float64, contiguous; all else as it is."""
    return [
        v.detach().to(torch.float64, copy=True, memory_format=torch.contiguous_format)
        if isinstance(v, Tensor) and v.is_floating_point()
        else v
        for v in values
    ]


def measured(truth: Truth, quantity: Quantity, value: Tensor) -> float:
    """Return R of `value`; cheaply, and then no less than it is, where that is enough."""
    right, limit = truth.found[quantity], limit_of(truth.sample)
    if not right.is_floating_point():
        return 0.0 if torch.equal(value.to(right.dtype), right) else math.inf
    eps = torch.finfo(getattr(torch, truth.sample.dtype)).eps
    ratio = ratio_of(value, None, right, right.abs() * eps)
    if ratio <= limit:
        return ratio
    return _staged(truth, quantity, value, truth.native(quantity), 1.0, limit)


def measured_in(truth: Truth, quantity: Quantity, value: Tensor, dtype: torch.dtype) -> float:
    """Return R of `value` as if it had been computed in `dtype`."""
    own = torch.finfo(getattr(torch, truth.sample.dtype)).eps
    return _staged(truth, quantity, value, None, torch.finfo(dtype).eps / own, LIMITS[dtype])


def _staged(
    truth: Truth,
    quantity: Quantity,
    value: Tensor,
    native: Tensor | None,
    scale: float,
    limit: float,
) -> float:
    """Return R by as few draws of the noise as decide."""
    right = truth.found[quantity]
    few = truth.noise(quantity, FEW) * scale
    error = (value.to(right) - right).abs().nan_to_num(nan=math.inf)
    if 0 < float(few.max()) * FAR * limit < float(error.max()):
        return ratio_of(value, native, right, few)
    known = quantity in truth.bench.wrong
    for draws in (FEW, DRAWS) if known else (FEW, DRAWS, MANY):
        ratio = ratio_of(value, native, right, truth.noise(quantity, draws) * scale)
        if ratio <= limit:
            break
    return ratio


def limit_of(sample: Sample) -> float:
    """Return R above which a number is wrong."""
    return LIMITS[getattr(torch, sample.dtype)]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the caller's random numbers as they are, and warnings out of it.

    What a function warns of at some size would be said a hundred times, or raised where warnings
    are errors, as in many a test suite; a gradient is right or wrong whatever the filters are.
    """
    devices = range(torch.cuda.device_count()) if on_cuda() else ()
    with torch.random.fork_rng(devices=list(devices)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _has_zero(value: Tensor) -> bool:
    """Tell whether 0 lies within the range of the values: what is positive stays so."""
    return value.is_floating_point() and value.dim() > 0 and not bool((value > 0).all())


def _leaves(call: Call) -> list[Tensor]:
    return [call.leaves[i] for i in call.wanted]


def _moved(value: Any, move: Callable[[Tensor], Tensor]) -> Any:
    floating = isinstance(value, Tensor) and value.is_floating_point()
    return move(value) if floating else value
