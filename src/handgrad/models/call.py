"""A model as data: its layer calls in order, with the names that each reads and writes."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from handgrad.models.initialise import Arrays

Attribute = int | float | bool
BATCH = ("inputs", "targets", "offsets", "key")
"""Names of what a batch holds: calls read them like parameters, and they have no gradient."""
CONTEXTS, WORDS = "contexts", "words"
"""The two kinds of batches. Contexts: inputs (B, T), the characters before each target (B,). Words:
whole words end to end, inputs and targets (N,), with offsets (B + 1,)."""


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer in a model.

    `inputs` are the names that the layer's forward reads: parameters, earlier outputs, and the
    batch's names in `BATCH`. `nodes` are the model's names of the layer's NODES; the last ones are
    the outputs. The gradient of a name that several calls read is the sum of their contributions,
    so residuals and tied weights need nothing else. `state` are the model's names of the layer's
    STATE, numbers that training moves without a gradient. `attributes` are arguments that are no
    tensors, such as the number of heads.
    """

    layer: str
    inputs: tuple[str, ...]
    nodes: tuple[str, ...]
    state: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict, hash=False)
    n_outputs: int = 1

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the last nodes, which other calls read."""
        return self.nodes[-self.n_outputs :]


def with_attributes(
    function: Callable[..., Any], attributes: Mapping[str, Attribute]
) -> Callable[..., Any]:
    """Return `function` with those of the attributes that it takes."""
    taken = inspect.signature(function).parameters
    own = {name: value for name, value in attributes.items() if name in taken}
    return partial(function, **own) if own else function


def is_random(model: "Model") -> bool:
    """Return whether a layer draws random numbers in training."""
    return any("key" in call.inputs for call in model.calls())


class Model(Protocol):
    """What engines, training and run folders need from a model: sizes, parameters and calls."""

    @property
    def name(self) -> str: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def block_size(self) -> int:
        """Characters of context, or the most characters of a word that are read."""
        ...

    @property
    def batches(self) -> str:
        """CONTEXTS or WORDS."""
        ...

    @property
    def padding(self) -> int:
        """The symbol of what is before a word and its boundary, in contexts."""
        ...

    @property
    def initialisations(self) -> tuple[str, ...]: ...
    @property
    def default_init(self) -> str: ...
    @property
    def min_batch_size(self) -> int: ...
    @property
    def n_parameters(self) -> int: ...

    def shapes(self) -> dict[str, tuple[int, ...]]: ...
    def state_shapes(self) -> dict[str, tuple[int, ...]]: ...
    def calls(self) -> tuple[LayerCall, ...]: ...
    def initialise(self, init: str, seed: int) -> tuple[Arrays, Arrays]: ...
