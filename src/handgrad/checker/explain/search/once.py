"""What several causes ask of a suspect is computed once."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from handgrad.checker.explain.search.suspect import Suspect

_Result = TypeVar("_Result")


def once(function: Callable[[Suspect], _Result]) -> Callable[[Suspect], _Result]:
    """Compute a function of a suspect once for each: several causes use the result."""

    @wraps(function)
    def result(suspect: Suspect) -> _Result:
        if result not in suspect.kept:
            suspect.kept[result] = function(suspect)
        found: _Result = suspect.kept[result]
        return found

    return result
