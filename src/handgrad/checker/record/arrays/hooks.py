"""The recorder's hooks for NumPy. NumPy support is loaded when the first of them is called."""

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from handgrad.checker.record.arrays.calls import Recording
    from handgrad.checker.record.arrays.enter import Entrance


class ArrayHooks:
    """Instrumented code that uses NumPy calls `lift` and `call`. Part of the recorder."""

    def __init__(self) -> None:
        self._entrance: Entrance | None = None
        self._follows = False

    def follow_arrays(self) -> None:
        """Begin to follow arrays, if the program has any."""
        self._follows = True
        if self._entrance is not None:
            self._entrance.enter()

    def leave_arrays(self) -> None:
        """Stop following arrays."""
        self._follows = False
        if self._entrance is not None:
            self._entrance.leave()

    def lift(self, value: Any) -> Any:
        """Hook: a value enters the user's program; return it with tracked arrays in it."""
        return self._loaded().lift(value)

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

    def computed(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Record an operation outside of torch. The recorder does it."""
        raise NotImplementedError

    def _loaded(self) -> "Entrance":
        if self._entrance is None:
            from handgrad.checker.record.arrays.enter import Entrance

            self._entrance = Entrance(cast("Recording", self))
            if self._follows:
                self._entrance.enter()
        return self._entrance
