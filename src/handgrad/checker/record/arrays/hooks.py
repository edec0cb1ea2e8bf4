"""The recorder's hooks for NumPy. NumPy support is loaded when the first of them is called."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor

from handgrad.checker.record.mode import Mode
from handgrad.checker.record.names import Names
from handgrad.checker.record.trace import Trace, key_of, tensors_in

if TYPE_CHECKING:
    from handgrad.checker.record.arrays.enter import Entrance
    from handgrad.checker.record.arrays.values import Recording


class ArrayHooks:
    """Instrumented code that uses NumPy calls `lift` and `call`. Part of the recorder."""

    trace: Trace
    mode: Mode | None
    paused_by: int | None
    _names: Names

    def __init__(self) -> None:
        self._entrance: Entrance | None = None
        self._follows = False

    @contextlib.contextmanager
    def following_arrays(self) -> Iterator[None]:
        """Follow arrays inside, if the program has any."""
        self._follows = True
        if self._entrance is not None:
            self._entrance.enter()
        try:
            yield
        finally:
            self._follows = False
            if self._entrance is not None:
                self._entrance.leave()

    def expect_arrays(self) -> None:
        """Load NumPy support now: an import in the midst of the user's code may be seen there."""
        self._loaded()

    def lift(self, value: Any) -> Any:
        """Hook: a value enters the user's program; return it with tracked arrays in it."""
        return self._loaded().lift(value)

    def number(self, value: float) -> Any:
        """Hook: a parameter is set to a number; return it as a tracked one of NumPy's."""
        return self._loaded().number(value)

    def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Hook: call a function, and return its result with tracked arrays in it."""
        return self._loaded().call(function, args, kwargs)

    def untracked(self, value: Any) -> Any:
        """Return NumPy's own array, or number, of a tracked one."""
        if self._entrance is None:
            return value
        from handgrad.checker.record.arrays.tracked import plain

        return plain(value)

    @property
    def has_arrays(self) -> bool:
        """Whether the program uses NumPy."""
        return self._entrance is not None

    def tracked(self, value: Any) -> Any:
        """Return an array of NumPy's as a tracked one; any other value as it is."""
        if type(value).__module__ != "numpy" or type(value).__name__ != "ndarray":
            return value
        return self._loaded().arrays.entered(value)

    @property
    def is_recording(self) -> bool:
        """Whether what runs now is recorded."""
        return self.mode is not None and self.paused_by is None

    def before_write(self, target: Tensor, inputs: Iterable[Tensor]) -> None:
        """Note that an operation outside of torch is about to write to `target`."""
        for value in (target, *inputs):
            self._names.see(value)
        self.trace.before_write([target])
        self.trace.overwritten.add(key_of(target))

    def computed(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Record an operation outside of torch as the torch function that matches it."""
        inputs = (*tensors_in(args), *tensors_in(kwargs))
        for value in inputs:
            self._names.see(value)
        self._note(func, args, kwargs, result, inputs)

    def _note(self, func: Any, args: Any, kwargs: Any, result: Any, *seen: Any) -> Any:
        raise NotImplementedError

    def _loaded(self) -> "Entrance":
        if self._entrance is None:
            from handgrad.checker.record.arrays.enter import Entrance

            self._entrance = Entrance(cast("Recording", self))
            if self._follows:
                self._entrance.enter()
        return self._entrance
