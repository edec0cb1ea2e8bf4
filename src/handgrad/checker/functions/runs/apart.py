"""Which sizes that are equal in the examples the reference accepts separately."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from handgrad.checker.functions.inputs.isolation import isolated
from handgrad.checker.functions.inputs.specs import Inputs
from handgrad.checker.functions.runs.bench import doubles
from handgrad.checker.functions.runs.calls import FunctionCall
from handgrad.checker.functions.samples.grid import bases


def divided(given: Inputs, reference: Callable[..., Any]) -> Inputs:
    """Return the inputs with the classes of equal sizes that may differ."""
    if given.linked is None:
        return given

    def accepts(values: Sequence[Any]) -> bool:
        try:
            FunctionCall(reference, doubles(values), given.wrt)
        except Exception:
            return False
        return True

    with isolated():
        starts = bases(given.letters, given.known)
        start = next((sizes for sizes in starts if accepts(given.draw(sizes, 0))), None)
        if start is None:
            return given
        parameters = given.draw(start, 0)[len(given.linked.specs) :]
        linked = given.linked.divided(lambda values: accepts((*values, *parameters)), start)
    return replace(given, linked=linked)
