"""A cause: a mistake of hand-written functions, and how it is recognised."""

from collections.abc import Callable
from enum import IntEnum

from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding

Find = Callable[[FunctionEvidence], FunctionFinding | None]


class Turn(IntEnum):
    """When a cause is tried. The first one that explains the evidence is reported.

    Within a turn, causes are tried in the order of their files and of their place in the file.
    """

    EVENT = 1
    """The error, or the circumstance that makes the function fail, names the cause."""
    INCOMPLETE = 2
    """Part of the result was not computed."""
    CONDITION = 3
    """Right for other layouts or sizes."""
    PRECISION = 4
    """Digits were lost, or the result is not finite."""
    UPSTREAM = 5
    """Right for another upstream gradient."""
    FORMULA = 6
    """A simple change of the formula gives the same numbers."""
    OPERATION = 7
    """One operation of the reference with another derivative gives the same numbers."""
    GENERAL = 8
    """Anything that no other cause explains."""


class FunctionCause:
    """A mistake of hand-written functions: its code, its name, its page, and how it is found.

    `find` returns a finding only where the explanation, applied to the reference, reproduces what
    the function returned. Its docstring (What / Why / Wrong / Right) is the page that
    `handgrad explain` prints.
    """

    def __init__(self, code: str, name: str, turn: Turn, find: Find) -> None:
        self.code = code
        self.name = name
        self.turn = turn
        self.find = find
        self.__doc__ = find.__doc__


def cause(code: str, name: str, *, turn: Turn) -> Callable[[Find], FunctionCause]:
    """Turn the function that recognises a mistake into its cause."""
    return lambda find: FunctionCause(code, name, turn, find)
