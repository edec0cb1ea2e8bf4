"""Which array each parameter of each kernel is: the model's own names, and memory to hold them.

Letters in shapes are those of `handgrad.layers`.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from handgrad.errors import SettingsError
from handgrad.kernels import KERNELS
from handgrad.models import Call, Model

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Bound:
    """A call of the model with its kernel; `names`: the kernel's names -> the model's."""

    call: Call
    kernel: ModuleType
    names: dict[str, str]
    shapes: dict[str, Shape]
    """What the call needs memory for, by the model's names; gradients are shaped as their nodes."""

    def arguments(self, function: str) -> list[str]:
        """The model's names of what the kernel's "forward" or "backward" takes, in its order."""
        found = inspect.signature(getattr(self.kernel, function).py_func)
        return [self._model_name(local) for local in found.parameters]

    def _model_name(self, local: str) -> str:
        if local in self.names:
            return self.names[local]
        return f"d{self.names[local.removeprefix('d')]}"


def bind(model: Model, batch_size: int) -> tuple[Bound, ...]:
    """Every call of `model` for batches of `batch_size`.

    Raises SettingsError where a name is read by two calls: kernels write gradients, they do not
    collect them.
    """
    shapes: dict[str, Shape] = {
        **model.shapes(),
        **model.state_shapes(),
        "inputs": (batch_size, model.block_size),
        "targets": (batch_size,),
    }
    bound = []
    for call in model.calls():
        one = _bind_call(call, shapes)
        shapes |= one.shapes
        bound.append(one)
    read = [name for call in model.calls() for name in call.inputs]
    twice = next((name for name in read if read.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"engine compiled: {twice} is read twice; use --engine fused")
    return tuple(bound)


def _bind_call(call: Call, shapes: dict[str, Shape]) -> Bound:
    kernel = KERNELS[call.layer]
    inputs = tuple(inspect.signature(kernel.memory).parameters)
    # an absent bias shortens call.inputs; memory() then asks for one of zeros
    names = dict(zip(inputs, call.inputs, strict=False))
    names |= dict(zip(kernel.NODES, call.nodes, strict=True))
    needed = kernel.memory(*(shapes[name] for name in call.inputs))
    for local in needed:
        names.setdefault(local, _scratch_name(local, names, call.output))
    return Bound(call, kernel, names, {names[local]: shape for local, shape in needed.items()})


def _scratch_name(local: str, names: dict[str, str], output: str) -> str:
    """W_t is W1_t where W is W1; what belongs to no input is named for the call's output."""
    base, _, rest = local.partition("_")
    return f"{names[base]}_{rest}" if rest and base in names else f"{local}_{output}"


def gradient_shapes(bound: tuple[Bound, ...], params: dict[str, Shape]) -> dict[str, Shape]:
    """d + name -> shape, of the parameters and of every call's output but the loss."""
    outputs = {
        one.call.output: one.shapes[one.call.output]
        for one in bound
        if one.call.output in one.shapes
    }
    return {f"d{name}": shape for name, shape in (params | outputs).items()}


def kernel_names(bound: tuple[Bound, ...]) -> Iterator[str]:
    """The kernels used, each once, in the order of the calls."""
    yield from dict.fromkeys(one.call.layer for one in bound)
