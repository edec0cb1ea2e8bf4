"""Torch's own way of being told of every function that is called."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class Mode(TorchFunctionMode):
    """Hands every call to `called`, which runs it and returns what it gave."""

    def __init__(self, called: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Any]) -> None:
        super().__init__()
        self._called = called

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return self._called(func, tuple(args), kwargs or {})


def top_mode() -> object:
    """Return the mode that hears of a call first, None where there is none."""
    return torch.overrides._get_current_function_mode()  # type: ignore[no-untyped-call]
