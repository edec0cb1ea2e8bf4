"""The evidence that all suspects of one backward pass share, and one scene for one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from handgrad.checker.explain.search.runner import LineRunner
from handgrad.checker.explain.search.scene import Moment, Scene
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.passes.replay import Replay
from handgrad.checker.passes.truth import Pass


@dataclass(frozen=True)
class Contribution:
    """What one consumer contributes to a node's gradient, in each scene."""

    consumer: str
    """The name of the consumer; its gradient's name is `hand`."""
    hand: str | None
    values: tuple[Tensor, ...]


@dataclass(frozen=True)
class View:
    """One scene as a suspect sees it; `right` is the correct gradient in it."""

    moment: Moment
    runner: LineRunner
    finish: LineRunner
    """Runs the gradient's later statements, where the last of them stands."""
    before: Tensor | None
    right: Tensor


@dataclass
class BackwardContext:
    """The evidence that all suspects of one pass share: scenes and contributions."""

    forward: Pass
    scenes: tuple[Scene, ...]
    native: Scene | None
    random: Mapping[int, Tensor]
    """By the id of the node's tensor."""
    parts: Mapping[int, Mapping[int, tuple[Tensor, ...]]]
    """Node -> consumer -> what it sends back in each scene, by the tensors' ids."""
    consumers: Mapping[int, set[int]]
    hands: Mapping[int, Pair]
    """The gradients by hand, by the id of the node's tensor."""

    @cached_property
    def replayed(self) -> Replay:
        """The forward pass alone, run again: its tensors when the loss was computed."""
        return self.forward.replayed()
