"""Which array each parameter of each kernel is: the model's own names, and memory to hold them.

Letters in shapes are those of `handgrad.layers`.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from handgrad.errors import SettingsError
from handgrad.kernels import KERNELS
from handgrad.kernels.shapes import Shape
from handgrad.models import Call, Model

BATCH = ("inputs", "targets")
TEAM = ("thread", "team")
"""What kernels whose work is shared out take beside arrays of the model."""


@dataclass(frozen=True)
class Bound:
    """A call of the model with its kernel; `names`: the kernel's names -> the model's."""

    call: Call
    kernel: ModuleType
    names: dict[str, str]
    shapes: dict[str, Shape]
    """What the call needs memory for, by the model's names; gradients are shaped as their nodes."""
    again: tuple[str, ...] = ()
    """Inputs that later calls read too: their gradients are added to what those have written."""

    def arguments(self, function: str) -> list[str]:
        """The model's names of what the kernel's "forward" or "backward" takes, in its order."""
        found = inspect.signature(getattr(self.kernel, function).py_func)
        return [self._model_name(local) for local in found.parameters]

    def _model_name(self, local: str) -> str:
        if local in TEAM:
            return local
        if local in self.names:
            return self.names[local]
        name = self.names[local.removeprefix("d")]
        return self.part(name) if name in self.again else f"d{name}"

    def part(self, name: str) -> str:
        """This call's part of the gradient of `name`, which several calls read."""
        return f"d{name}_by_{self.call.output}"


def bind(model: Model, batch_size: int) -> tuple[Bound, ...]:
    """Every call of `model` for batches of `batch_size`.

    Raises SettingsError where what is joined is read by another call too: its gradient would have
    to be a view and a sum.
    """
    shapes: dict[str, Shape] = {
        **model.shapes(),
        **model.state_shapes(),
        "inputs": (batch_size, model.block_size),
        "targets": (batch_size,),
    }
    bound: list[Bound] = []
    calls = model.calls()
    for nth, call in enumerate(calls):
        later = {name for other in calls[nth + 1 :] for name in other.inputs}
        again = tuple(name for name in call.inputs if name in later and name not in BATCH)
        if call.layer == "join" and again:
            raise SettingsError(f"engine compiled: {again[0]} is read twice; use --engine fused")
        one = _bind_call(call, shapes, again)
        shapes |= one.shapes
        bound.append(one)
    return tuple(bound)


def _bind_call(call: Call, shapes: dict[str, Shape], again: tuple[str, ...]) -> Bound:
    kernel = KERNELS[call.layer]
    inputs = tuple(inspect.signature(kernel.memory).parameters)
    # an absent bias shortens call.inputs: memory() then asks for one, of zeros
    names = dict(zip(inputs, call.inputs, strict=False))
    names |= dict(zip(kernel.NODES, call.nodes, strict=True))
    needed = kernel.memory(*(shapes[name] for name in call.inputs))
    for local in needed:
        name = _scratch_name(local, names, call.output)
        names.setdefault(local, f"{name}_{call.output}" if name in shapes else name)
    own = {names[local]: shape for local, shape in needed.items()}
    return Bound(call, kernel, names, own, again)


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
    whole = {f"d{name}": shape for name, shape in (params | outputs).items()}
    parts = {one.part(name): whole[f"d{name}"] for one in bound for name in one.again}
    return whole | parts


def joins(bound: tuple[Bound, ...]) -> Iterator[tuple[str, str, Shape]]:
    """(name, name of the view, its shape) of every join, which is no more than a view."""
    for one in bound:
        if one.call.layer == "join":
            yield one.call.inputs[0], one.call.output, one.shapes[one.call.output]


def own_scratch(bound: tuple[Bound, ...]) -> dict[str, Shape]:
    """What every thread has its own of, and its shape."""
    return {
        one.names[local]: one.shapes[one.names[local]]
        for one in bound
        for local in getattr(one.kernel, "OWN", ())
    }


def kernel_names(bound: tuple[Bound, ...]) -> Iterator[str]:
    """The kernels used, each once, in the order of the calls."""
    yield from dict.fromkeys(one.call.layer for one in bound)
