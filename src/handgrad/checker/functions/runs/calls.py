"""One call of a function on its own leaves, and the gradients that autograd computes from it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.functions.inputs import isolation
from handgrad.checker.functions.samples.memory import twin

Gradients = tuple[Tensor | None, ...]
"""One for each input that requires a gradient, in the order of the inputs."""


class FunctionCall:
    """One call. `outputs` are the tensors that it returned, `leaves` the inputs that it received.

    `in_place` are the positions of the inputs that it overwrites and returns (mark_dirty). `copy`:
    the leaves are copies of `values`, in the same memory layout. `threads`: how many CPU threads
    the function may use. `random`: whether it drew random numbers.

    Raises whatever the function raises.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        values: Sequence[Any],
        wanted: Sequence[int],
        copy: bool = True,
        threads: int = 1,
    ) -> None:
        self.leaves = [_leaf(value, i in wanted, copy) for i, value in enumerate(values)]
        self.wanted = tuple(wanted)
        self.threads = threads
        isolation.reseed(
            0
        )  # dropout draws the same numbers in every call; `isolated` restores the state
        before = torch.default_generator.get_state()
        self.entered = self.leaves
        with torch.enable_grad(), isolation.threads(threads):
            try:
                result = function(*self.leaves)
            except RuntimeError as error:
                if not copy or LEAF_WRITTEN not in str(error):
                    raise
                # written to in place, which autograd forbids for a leaf, but not for a result
                self.leaves = [_leaf(value, i in wanted, copy) for i, value in enumerate(values)]
                self.entered = [passed(leaf) for leaf in self.leaves]
                result = function(*self.entered)
        self.random = not torch.equal(before, torch.default_generator.get_state())
        self.outputs = tensors_of(result)
        returned = set(map(id, self.outputs))
        self.in_place = [
            i
            for i, (value, leaf) in enumerate(zip(self.entered, self.leaves, strict=True))
            if value is not leaf and id(value) in returned
        ]
        self.structure = structure_of(result)

    def differentiable(self) -> list[int]:
        """Return the positions of the outputs that have a gradient."""
        return [i for i, output in enumerate(self.outputs) if output.requires_grad]

    def gradients(
        self, outputs: Sequence[int], upstream: Sequence[Tensor], create_graph: bool = False
    ) -> Gradients:
        """Return the gradients of the wanted inputs, dense. Keeps the graph for further calls."""
        with isolation.threads(self.threads):
            gradients = torch.autograd.grad(
                [self.outputs[i] for i in outputs],
                [self.leaves[i] for i in self.wanted],
                upstream,
                retain_graph=True,
                create_graph=create_graph,
                allow_unused=True,
            )
            return tuple(None if g is None else _dense(g) for g in gradients)

    def second_gradients(
        self, outputs: Sequence[int], upstream: Sequence[Tensor], along: Sequence[Tensor]
    ) -> Gradients:
        """Return the gradients of sum(gradient * along): by the inputs, then by the upstream."""
        given = [u.detach().clone().requires_grad_() for u in upstream]
        first = self.gradients(outputs, given, create_graph=True)
        parts = [(g * v).sum() for g, v in zip(first, along, strict=True) if g is not None]
        total = torch.stack(parts).sum()
        by = [*(self.leaves[i] for i in self.wanted), *given]
        with isolation.threads(self.threads):
            return torch.autograd.grad(total, by, allow_unused=True)


LEAF_WRITTEN = "a leaf Variable that requires grad"
"""Part of autograd's error for a leaf that is overwritten."""


class Passed(torch.autograd.Function):
    """Returns a copy in the same memory layout, and passes its gradient on."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return twin(value)

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        return upstream[0]


def passed(leaf: Any) -> Any:
    """Return a copy that is no leaf: a function may overwrite it."""
    needs = isinstance(leaf, Tensor) and leaf.requires_grad
    return Passed.apply(leaf) if needs else leaf  # type: ignore[no-untyped-call]


def _leaf(value: Any, wanted: bool, copy: bool) -> Any:
    """Return a leaf in the same memory layout as `value`."""
    if not isinstance(value, Tensor):
        return value
    detached = value.detach()
    return (twin(detached) if copy else detached).requires_grad_(wanted)


def _dense(value: Tensor) -> Tensor:
    return value if value.layout == torch.strided else value.to_dense()


def tensors_of(result: Any) -> list[Tensor]:
    """Return the tensors in what a function returned, nested or not; sparse ones as dense."""
    if isinstance(result, Tensor):
        return [_dense(result)]
    if isinstance(result, Mapping):
        result = tuple(result.values())
    if isinstance(result, tuple | list):
        return [tensor for element in result for tensor in tensors_of(element)]
    return []


def structure_of(result: Any) -> str:
    """Return `a tensor`, `2 tensors` or `no tensor`."""
    count = len(tensors_of(result))
    if isinstance(result, Tensor):
        return "a tensor"
    return {0: "no tensor", 1: "1 tensor in a tuple"}.get(count, f"{count} tensors")


_FACTORIES = {
    "arange", "empty", "eye", "full", "linspace", "ones", "rand", "randn", "tensor", "zeros",
}  # fmt: skip
_CASTS = {Tensor.float, Tensor.half, Tensor.bfloat16}


class InDouble(TorchFunctionMode):
    """While active, code that asks for another floating dtype gets float64: the truth stays exact.

    Code that asks for none (torch.ones(3)) gets float64 too. `used` tells whether any code asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.used = False
        self._default = torch.get_default_dtype()

    def __enter__(self) -> "InDouble":
        torch.set_default_dtype(torch.float64)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        torch.set_default_dtype(self._default)

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _CASTS:
            func, self.used = Tensor.double, True
        elif getattr(func, "__name__", "") in _FACTORIES:
            self.used = True
        given = {k: self._doubled(v) for k, v in (kwargs or {}).items()}
        return func(*map(self._doubled, args), **given)

    def _doubled(self, value: Any) -> Any:
        if isinstance(value, torch.dtype) and value.is_floating_point:
            self.used = True
            return torch.float64
        return value
