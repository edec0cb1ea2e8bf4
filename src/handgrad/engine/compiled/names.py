"""Which array each kernel parameter is: the model's names, and the shapes of the memory.

Every activation is a matrix of rows: B * T characters of context, B contexts, or the N characters
of a batch of words. Letters in shapes are those of `handgrad.layers`.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType

from handgrad.errors import SettingsError
from handgrad.kernels import KERNELS
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.models import BATCH, CONTEXTS, LayerCall, Model, with_attributes

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
    adds: tuple[str, ...] = ()
    """Those of `again` to whose gradients the kernel can add by itself."""
    carried: dict[str, Shape] = field(default_factory=dict)
    """Shapes of what `step` carries from one character of a word to the next."""
    is_view: bool = field(init=False)
    """Whether the output is the input's memory in another shape: there are no kernels to call."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_view", getattr(self.kernel, "VIEW", False))

    def has(self, function: str) -> bool:
        """Return whether the kernel offers an optional function."""
        return hasattr(self.kernel, function)

    def arguments(self, function: str, own: Iterable[str] = TEAM) -> list[str]:
        """Return the arguments of a function of the kernel: names of the model, or literals.

        Parameters in `own` keep their names.
        """
        signature = inspect.signature(getattr(self.kernel, function).py_func)
        return [x if x in own else self._argument(x) for x in signature.parameters]

    def _argument(self, local: str) -> str:
        if local in self.names:
            return self.names[local]
        if local in self.call.attributes:
            return repr(self.call.attributes[local])
        if local.startswith("add_"):
            return repr(self.names[local.removeprefix("add_")] in self.adds)
        name = self.names[local.removeprefix("d")]
        return self.part(name) if name in self.parts else f"d{name}"

    @property
    def parts(self) -> tuple[str, ...]:
        """Inputs whose gradient the kernel writes to memory of its own, to be added."""
        return tuple(name for name in self.again if name not in self.adds)

    def part(self, name: str) -> str:
        """Return the name of this call's contribution to the gradient of `name`."""
        return f"d{name}_by_{self.call.outputs[0]}"


def batch_shapes(model: Model, batch_size: int, characters: int | None = None) -> dict[str, Shape]:
    """Return the shapes of what a batch of `model` holds; of words, at most `characters`."""
    if model.batches == CONTEXTS:
        return {"inputs": (batch_size, model.block_size), "targets": (batch_size,)}
    most = characters or batch_size * model.block_size
    shapes: dict[str, Shape] = {
        "inputs": (most,),
        "targets": (most,),
        "offsets": (batch_size + 1,),
        "key": (2,),
    }
    read = {name for call in model.calls() for name in call.inputs}
    return {name: shape for name, shape in shapes.items() if name in read or name != "key"}


def bind(model: Model, batch_size: int, characters: int | None = None) -> tuple[Bound, ...]:
    """Return every call of `model`, bound to its kernel, for batches of `batch_size`.

    Raises SettingsError for a call that cannot be compiled: another call reads the input of a view,
    whose gradient would have to be both a view and a sum, or it reads one name twice.
    """
    shapes: dict[str, Shape] = {
        **model.shapes(),
        **model.state_shapes(),
        **batch_shapes(model, batch_size, characters),
    }
    bound: list[Bound] = []
    calls = model.calls()
    for nth, call in enumerate(calls):
        later = {name for other in calls[nth + 1 :] for name in other.inputs}
        again = tuple(name for name in call.inputs if name in later and name not in BATCH)
        problem = _problem(call, again)
        if problem:
            raise SettingsError(f"engine compiled: {problem}; use --engine fused")
        one = _bind_call(call, shapes, again, model.block_size)
        shapes |= one.shapes
        bound.append(one)
    return tuple(bound)


def _problem(call: LayerCall, again: tuple[str, ...]) -> str | None:
    """Return why the call cannot be compiled, or None."""
    if call.layer not in KERNELS:
        return f"the layer {call.layer} has no kernels"
    if getattr(KERNELS[call.layer], "VIEW", False) and again:
        return f"two calls read {again[0]}, the input of {call.layer}"
    twice = [name for name in call.inputs if call.inputs.count(name) > 1]
    return f"{call.layer} reads {twice[0]} twice" if twice else None


def _bind_call(
    call: LayerCall, shapes: dict[str, Shape], again: tuple[str, ...], longest: int
) -> Bound:
    """`longest` is the most characters of a word."""
    kernel = KERNELS[call.layer]
    taken = inspect.signature(kernel.memory).parameters
    inputs = [name for name in taken if taken[name].kind is not inspect.Parameter.KEYWORD_ONLY]
    # without a bias, call.inputs is shorter: memory() then requests one, of zeros
    names = dict(zip(inputs, call.inputs, strict=False))
    names |= dict(zip(kernel.NODES, call.nodes, strict=True))
    names |= dict(zip(getattr(kernel, "STATE", ()), call.state, strict=False))
    given = [shapes[name] for name in call.inputs]
    needed = _memory_of(call, given, kernel.memory, longest)
    output = call.outputs[0]
    for local in needed:
        name = _scratch_name(local, names, output)
        names.setdefault(local, f"{name}_{output}" if name in shapes else name)
    memory = {names[local]: shape for local, shape in needed.items()}
    carried: dict[str, Shape] = {}
    if hasattr(kernel, "carried"):
        for local, shape in _memory_of(call, given, kernel.carried, longest).items():
            names[local] = f"{local}_{output}"
            carried[names[local]] = shape
    own = [names[local] for local in getattr(kernel, "ADDS", ()) if local in names]
    adds = tuple(name for name in again if name in own)
    return Bound(call, kernel, names, memory, again, adds, carried)


def _memory_of(
    call: LayerCall, shapes: list[Shape], memory: Callable[..., Shapes], longest: int
) -> Shapes:
    """Return the shapes of the call's memory by `memory`, a function of the kernel."""
    taking: Callable[..., Shapes] = with_attributes(memory, {**call.attributes, "longest": longest})
    return taking(*shapes)


def _scratch_name(local: str, names: dict[str, str], output: str) -> str:
    """Return W1_t for W_t if W is W1; other scratch is named after the call's output."""
    base, _, rest = local.partition("_")
    return f"{names[base]}_{rest}" if rest and base in names else f"{local}_{output}"


def gradient_shapes(bound: tuple[Bound, ...], params: dict[str, Shape]) -> dict[str, Shape]:
    """Return d + name -> shape, of the parameters and of every call's output except the loss."""
    outputs = {
        name: one.shapes[name] for one in bound for name in one.call.outputs if name in one.shapes
    }
    whole = {f"d{name}": shape for name, shape in (params | outputs).items()}
    parts = {one.part(name): whole[f"d{name}"] for one in bound for name in one.parts}
    return whole | parts


def rows_per_character(model: Model) -> dict[str, int]:
    """Return name -> rows per character of the arrays of a step that grow with a batch of words.

    The batch's own are among them, except `offsets`. Other arrays keep their size.
    """
    if model.batches == CONTEXTS:
        return {}
    one, two = (_all_shapes(model, length) for length in (_SOME, 2 * _SOME))
    return {
        name: shape[0] // _SOME
        for name, shape in one.items()
        if shape and shape[0] and (2 * shape[0], *shape[1:]) == two[name]
    }


_SOME = 9973
"""A number of characters that no other size of a model equals."""


def _all_shapes(model: Model, characters: int) -> dict[str, Shape]:
    bound = bind(model, 2, characters)
    shapes = batch_shapes(model, 2, characters) | gradient_shapes(bound, model.shapes())
    for one in bound:
        shapes |= one.shapes
    return shapes


def views(bound: tuple[Bound, ...]) -> Iterator[tuple[str, str, Shape]]:
    """Yield (name, name of the view, its shape) of every call that is only a view."""
    for one in bound:
        if one.is_view:
            (output,) = one.call.outputs
            yield one.call.inputs[0], output, one.shapes[output]


def thread_scratch(bound: tuple[Bound, ...]) -> dict[str, Shape]:
    """Return name -> shape of the scratch that every thread needs a copy of."""
    return {
        one.names[local]: one.shapes[one.names[local]]
        for one in bound
        for local in getattr(one.kernel, "PER_THREAD", ())
    }


def kernel_names(bound: tuple[Bound, ...]) -> Iterator[str]:
    """Yield the names of the kernels that are called, each once, in the order of the calls."""
    yield from dict.fromkeys(one.call.layer for one in bound if not one.is_view)
