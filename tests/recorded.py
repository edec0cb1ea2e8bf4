"""What stands in for a CUDA graph where there is no GPU: operations are recorded and done again."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

Operation = tuple[Callable[..., Any], list[Any], TreeSpec, list[Any]]
"""(function, what it was given, how that was packed, what came of it)."""


class Recording(TorchDispatchMode):
    """All that torch is asked to do within it, with the numbers and the tensors that it was given.

    As in a captured graph, nothing of Python's is left in `replay`: a number, a choice or a tensor
    made from the host's memory is forever what it was when the step was recorded.
    """

    def __init__(self, left_out: int | None = None) -> None:
        """Without operation number `left_out`: its results stay those that were recorded."""
        super().__init__()
        self.operations: list[Operation] = []
        self._left_out = left_out

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given, packing = tree_flatten((args, kwargs or {}))
        out = func(*args, **(kwargs or {}))
        self.operations.append((func, given, packing, tree_leaves(out)))
        return out

    def replay(self) -> None:
        again: dict[int, Tensor] = {}  # by the id of what it was when it was recorded
        for number, (func, given, packing, results) in enumerate(self.operations):
            if number == self._left_out:
                continue
            now = [again.get(id(value), value) for value in given]
            args, kwargs = tree_unflatten(now, packing)
            for old, new in zip(results, tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(old, Tensor):
                    again[id(old)] = new


def recorded(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """A capture for the processor, as `cuda_graph` is one for CUDA."""
    step()  # as the warm-up does
    recording = Recording()
    with recording:
        step()
    return recording.replay
