"""What a cause is."""

from collections.abc import Callable

from handgrad.checker.functions.evidence import Evidence, Finding

Find = Callable[[Evidence], Finding | None]


class FunctionCause:
    """A mistake of hand-written functions: its code, its name, its page, and how it is found.

    `find` returns a finding only where the explanation, applied, reproduces what the function gave.
    Its docstring (What / Why / Wrong / Right) is the page that `handgrad explain` prints.
    """

    def __init__(self, code: str, name: str, find: Find) -> None:
        self.code = code
        self.name = name
        self.find = find
        self.__doc__ = find.__doc__


def cause(code: str, name: str) -> Callable[[Find], FunctionCause]:
    """Make a cause of the function that finds it."""
    return lambda find: FunctionCause(code, name, find)


def counted(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(items[:-1])] * bool(items[:-1]) + items[-1:])
