"""A TorchFunctionMode: torch calls it for every function of tensors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class Mode(TorchFunctionMode):
    """Passes every call to `called`, which runs the function and returns its result."""

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
    """Return the mode that is called first, or None."""
    return torch.overrides._get_current_function_mode()  # type: ignore[no-untyped-call]


class ModeHolder:
    """Enters a Mode that passes calls to its own `called`, and leaves it."""

    mode: Mode | None = None

    def called(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run one torch function for the user."""
        raise NotImplementedError

    def _enter(self) -> None:
        self.mode = Mode(self.called)
        self.mode.__enter__()  # type: ignore[no-untyped-call]

    def _leave(self) -> bool:
        """Leave the mode, unless the user entered another one after it."""
        if self.mode is None or top_mode() is not self.mode:
            return False
        self.mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        self.mode = None
        return True
