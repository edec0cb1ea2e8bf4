"""The object named `__handgrad__` in a notebook's namespace."""

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from handgrad.checker.record.targets import HOOK

if TYPE_CHECKING:
    from handgrad.checker.record.capture import Recorder


def _same(value: Any) -> Any:
    """Return the value: the hook of NumPy's arrays while nothing is recorded."""
    return value


def _called(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call the function: the hook of calls while nothing is recorded."""
    return function(*args, **kwargs)


def _returned(_number: int, value: Any) -> Any:
    """Return the value: the hook of return statements while nothing is recorded."""
    return value


def _nothing(*_: Any) -> None:
    """Do nothing: the hook while nothing is recorded."""


class Hook:
    """Passes calls to the recorder while there is one, and ignores them otherwise.

    A function that was defined while cells were watched calls it as long as the function lives, in
    any process that the function is sent to.
    """

    __slots__ = (
        "after", "call", "compared", "end", "entered", "imported", "lift", "returned", "tick",
    )  # fmt: skip

    def __init__(self) -> None:
        self.silence()

    def silence(self) -> None:
        """Ignore calls from now on."""
        self.after: Callable[..., None] = _nothing
        self.compared: Callable[..., None] = _nothing
        self.tick: Callable[..., Any] = _nothing
        self.end: Callable[..., None] = _nothing
        self.imported: Callable[..., None] = _nothing
        self.lift: Callable[..., Any] = _same
        self.call: Callable[..., Any] = _called
        self.entered: Callable[..., None] = _nothing
        self.returned: Callable[..., Any] = _returned

    def listen(self, recorder: "Recorder", end: Callable[[int], None]) -> None:
        """Pass calls to the recorder's methods directly, at no extra cost."""
        self.after, self.compared, self.tick = recorder.after, recorder.compared, recorder.tick
        self.end, self.imported = end, _nothing
        self.lift, self.call = recorder.lift, recorder.call
        self.entered, self.returned = recorder.entered, recorder.returned

    def __reduce__(self) -> tuple[type["Hook"], tuple[()]]:
        return Hook, ()

    def install(self, names: dict[str, Any]) -> None:
        """Add the hook to the user's names, and to the builtins, which `%reset` leaves alone."""
        names[HOOK] = self
        setattr(builtins, HOOK, self)

    def uninstall(self, names: dict[str, Any]) -> None:
        """Remove the hook from the user's names; functions defined meanwhile keep a silent one."""
        self.silence()
        if names.get(HOOK) is self:
            del names[HOOK]
