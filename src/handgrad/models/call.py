"""A model as data: the layers that it calls, in order, by the names of what they read and write."""

from dataclasses import dataclass
from typing import Protocol

from handgrad.models.initialise import Arrays


@dataclass(frozen=True)
class Call:
    """One layer of a model.

    `inputs` are the names that the layer's forward reads: parameters, earlier outputs, and the
    batch's `inputs` and `targets`. `nodes` are the model's names for the layer's NODES; the last
    is the output. A name read by several calls collects the sum of their gradients, so residuals
    and tied weights need nothing more. `state` names the running mean and variance, for batchnorm
    alone.
    """

    layer: str
    inputs: tuple[str, ...]
    nodes: tuple[str, ...]
    state: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        return self.nodes[-1]


class Model(Protocol):
    """What engines, training and run folders need of a model: sizes, parameters and calls."""

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
    def calls(self) -> tuple[Call, ...]: ...
    def initialise(self, init: str, seed: int) -> tuple[Arrays, Arrays]: ...
