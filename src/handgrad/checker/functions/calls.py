"""A function run once on leaves of its own, and the gradients that autograd has from it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.functions.memory import twin

Gradients = tuple[Tensor | None, ...]
"""One for each input that requires a gradient, in their order."""


class Call:
    """One run. `outputs` are the tensors that came out, `leaves` the inputs that went in.

    `own`: the values are this call's alone and need no copy.

    Raises whatever the function raises.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        values: Sequence[Any],
        wanted: Sequence[int],
        own: bool = False,
    ) -> None:
        self.leaves = [leaf(value, i in wanted, own) for i, value in enumerate(values)]
        self.wanted = tuple(wanted)
        reseed(0)  # dropout and its like draw the same again; the caller forks
        with torch.enable_grad():
            result = function(*self.leaves)
        self.outputs = tensors_of(result)
        self.structure = structure_of(result)

    def differentiable(self) -> list[int]:
        """Return which outputs have a gradient."""
        return [i for i, t in enumerate(self.outputs) if t.requires_grad]

    def gradients(
        self, outputs: Sequence[int], upstream: Sequence[Tensor], create_graph: bool = False
    ) -> Gradients:
        """Return the gradients of what is wanted. The graph stays, to be asked again."""
        return torch.autograd.grad(
            [self.outputs[i] for i in outputs],
            [self.leaves[i] for i in self.wanted],
            upstream,
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )

    def twice(
        self, outputs: Sequence[int], upstream: Sequence[Tensor], along: Sequence[Tensor]
    ) -> Gradients:
        """Return the second gradients, of sum(gradient * along): by the inputs, by the upstream."""
        given = [u.detach().clone().requires_grad_() for u in upstream]
        first = self.gradients(outputs, given, create_graph=True)
        parts = [(g * v).sum() for g, v in zip(first, along, strict=True) if g is not None]
        total = torch.stack(parts).sum()
        by = [*(self.leaves[i] for i in self.wanted), *given]
        return torch.autograd.grad(total, by, allow_unused=True)


def reseed(seed: int) -> None:
    """Set the random numbers. (torch.manual_seed notes the whole stack each time, milliseconds.)"""
    torch.default_generator.manual_seed(seed)
    if on_cuda():
        torch.cuda.manual_seed_all(seed)


def on_cuda() -> bool:
    """Tell whether anybody has used CUDA in this process."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def leaf(value: Any, wanted: bool, own: bool = False) -> Any:
    """Return a leaf that lies in memory as `value` does; a copy, unless it is this call's `own`."""
    if not isinstance(value, Tensor):
        return value
    still = value.detach()
    return (still if own else twin(still)).requires_grad_(wanted)


def tensors_of(result: Any) -> list[Tensor]:
    """Return the tensors in what a function returned, nested or not."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, Mapping):
        result = tuple(result.values())
    if isinstance(result, tuple | list):
        return [t for element in result for t in tensors_of(element)]
    return []


def structure_of(result: Any) -> str:
    """`a tensor`, `2 tensors`, `no tensor`."""
    found = tensors_of(result)
    if isinstance(result, Tensor):
        return "a tensor"
    return {0: "no tensor", 1: "1 tensor in a tuple"}.get(len(found), f"{len(found)} tensors")


_CASTS = {Tensor.float, Tensor.half, Tensor.bfloat16}


class InDouble(TorchFunctionMode):
    """While active, what asks for another floating dtype gets float64: the truth stays exact.

    `used` says whether anything asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.used = False

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _CASTS:
            func, self.used = Tensor.double, True
        given = {k: self._doubled(v) for k, v in (kwargs or {}).items()}
        return func(*map(self._doubled, args), **given)

    def _doubled(self, value: Any) -> Any:
        if isinstance(value, torch.dtype) and value.is_floating_point:
            self.used = True
            return torch.float64
        return value
