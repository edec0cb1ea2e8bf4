"""A model as data: its layer calls in order, with the names that each reads and writes."""

from dataclasses import dataclass
from typing import Protocol

from handgrad.models.initialise import Arrays


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer in a model.

    `inputs` are the names that the layer's forward reads: parameters, earlier outputs, and the
    batch's `inputs` and `targets`. `nodes` are the model's names of the layer's NODES; the last is
    the output. The gradient of a name that several calls read is the sum of their contributions, so
    residuals and tied weights need nothing else. `state` names the running mean and variance; only
    batchnorm has them.
    """

    layer: str
    inputs: tuple[str, ...]
    nodes: tuple[str, ...]
    state: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """The name of the last node."""
        return self.nodes[-1]


class Model(Protocol):
    """What engines, training and run folders need from a model: sizes, parameters and calls."""

    @property
    def name(self) -> str: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def block_size(self) -> int: ...
    @property
    def momentum(self) -> float: ...
    @property
    def needs_two_rows(self) -> bool: ...
    @property
    def n_parameters(self) -> int: ...

    def shapes(self) -> dict[str, tuple[int, ...]]: ...
    def state_shapes(self) -> dict[str, tuple[int, ...]]: ...
    def calls(self) -> tuple[LayerCall, ...]: ...
    def initialise(self, init: str, seed: int) -> tuple[Arrays, Arrays]: ...
