"""What `__handgrad__` stands for in a notebook's names."""

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from handgrad.checker.record.instrument import HOOK

if TYPE_CHECKING:
    from handgrad.checker.record.capture import Recorder


def _nothing(*_: Any) -> None:
    """Stand for a hook that nobody listens to."""


class Hook:
    """The recorder's hooks while there is one to call; before and after that they do nothing.

    Functions that were defined while cells were watched call it for as long as they live, in
    whatever process they are sent to.
    """

    __slots__ = ("after", "compared", "end", "imported", "tick")

    def __init__(self) -> None:
        self.silence()

    def silence(self) -> None:
        """Do nothing from here on."""
        self.after: Callable[..., None] = _nothing
        self.compared: Callable[..., None] = _nothing
        self.tick: Callable[..., None] = _nothing
        self.end: Callable[..., None] = _nothing
        self.imported: Callable[..., None] = _nothing

    def listen(self, recorder: "Recorder", end: Callable[[int], None]) -> None:
        """Call the recorder's own methods: a hook costs no more than they do."""
        self.after, self.compared, self.tick = recorder.after, recorder.compared, recorder.tick
        self.end, self.imported = end, _nothing

    def __reduce__(self) -> tuple[type["Hook"], tuple[()]]:
        return Hook, ()

    def install(self, names: dict[str, Any]) -> None:
        """Stand in the user's names; and where `%reset` cannot reach, in the builtins."""
        names[HOOK] = self
        setattr(builtins, HOOK, self)

    def uninstall(self, names: dict[str, Any]) -> None:
        """Leave the user's names; functions defined meanwhile still find something silent."""
        self.silence()
        if names.get(HOOK) is self:
            del names[HOOK]
