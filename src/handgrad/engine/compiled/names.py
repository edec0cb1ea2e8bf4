"""Which array each kernel parameter is: the model's names, and the shapes of the memory.

Letters in shapes are those of `handgrad.layers`.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from handgrad.errors import SettingsError
from handgrad.kernels import KERNELS
from handgrad.kernels.shapes import Shape
from handgrad.models import LayerCall, Model

BATCH = ("inputs", "targets")
TEAM = ("thread", "team")
"""Parameters of kernels that several threads share, besides the model's arrays."""


@dataclass(frozen=True)
class Bound:
    """A layer call of the model with its kernel; `names`: the kernel's names -> the model's."""

    call: LayerCall
    kernel: ModuleType
    names: dict[str, str]
    shapes: dict[str, Shape]
    """Shapes of the memory that the call needs, by the model's names. A gradient has its node's."""
    again: tuple[str, ...] = ()
    """Inputs that later calls read as well: this call adds to the gradients that those wrote."""

    def arguments(self, function: str) -> list[str]:
        """Return the model's names of the parameters of the kernel's "forward" or "backward"."""
        signature = inspect.signature(getattr(self.kernel, function).py_func)
        return [self._model_name(local) for local in signature.parameters]

    def _model_name(self, local: str) -> str:
        if local in TEAM:
            return local
        if local in self.names:
            return self.names[local]
        name = self.names[local.removeprefix("d")]
        return self.part(name) if name in self.again else f"d{name}"

    def part(self, name: str) -> str:
        """Return the name of this call's contribution to the gradient of `name`."""
        return f"d{name}_by_{self.call.output}"


def bind(model: Model, batch_size: int) -> tuple[Bound, ...]:
    """Return every call of `model`, bound to its kernel, for batches of `batch_size`.

    Raises SettingsError if another call reads the input of a join: its gradient would have to be
    both a view and a sum.
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
            raise SettingsError(
                f"engine compiled: two calls read {again[0]}, the input of a join; "
                "use --engine fused"
            )
        one = _bind_call(call, shapes, again)
        shapes |= one.shapes
        bound.append(one)
    return tuple(bound)


def _bind_call(call: LayerCall, shapes: dict[str, Shape], again: tuple[str, ...]) -> Bound:
    kernel = KERNELS[call.layer]
    inputs = tuple(inspect.signature(kernel.memory).parameters)
    # without a bias, call.inputs is shorter: memory() then requests one, of zeros
    names = dict(zip(inputs, call.inputs, strict=False))
    names |= dict(zip(kernel.NODES, call.nodes, strict=True))
    needed = kernel.memory(*(shapes[name] for name in call.inputs))
    for local in needed:
        name = _scratch_name(local, names, call.output)
        names.setdefault(local, f"{name}_{call.output}" if name in shapes else name)
    memory = {names[local]: shape for local, shape in needed.items()}
    return Bound(call, kernel, names, memory, again)


def _scratch_name(local: str, names: dict[str, str], output: str) -> str:
    """Return W1_t for W_t if W is W1; other scratch is named after the call's output."""
    base, _, rest = local.partition("_")
    return f"{names[base]}_{rest}" if rest and base in names else f"{local}_{output}"


def gradient_shapes(bound: tuple[Bound, ...], params: dict[str, Shape]) -> dict[str, Shape]:
    """Return d + name -> shape, of the parameters and of every call's output except the loss."""
    outputs = {
        one.call.output: one.shapes[one.call.output]
        for one in bound
        if one.call.output in one.shapes
    }
    whole = {f"d{name}": shape for name, shape in (params | outputs).items()}
    parts = {one.part(name): whole[f"d{name}"] for one in bound for name in one.again}
    return whole | parts


def joins(bound: tuple[Bound, ...]) -> Iterator[tuple[str, str, Shape]]:
    """Yield (name, name of the view, its shape) of every join: a join is only a view."""
    for one in bound:
        if one.call.layer == "join":
            yield one.call.inputs[0], one.call.output, one.shapes[one.call.output]


def thread_scratch(bound: tuple[Bound, ...]) -> dict[str, Shape]:
    """Return name -> shape of the scratch that every thread needs a copy of."""
    return {
        one.names[local]: one.shapes[one.names[local]]
        for one in bound
        for local in getattr(one.kernel, "PER_THREAD", ())
    }


def kernel_names(bound: tuple[Bound, ...]) -> Iterator[str]:
    """Yield the names of the kernels, each once, in the order of the calls."""
    yield from dict.fromkeys(one.call.layer for one in bound)
