"""Complex numbers as pairs of real ones: all that is known of rounding and gradients then holds.

autograd's gradient of a real loss by z = x + iy is dL/dx + i dL/dy: the same two real numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.inputs.arguments import name_of
from handgrad.checker.functions.inputs.specs import Inputs

DTYPES = ("float64", "float32")
"""Complex numbers of half precision are hardly supported."""
FIRST = (3, 5, 7, 2, 11, 13)


def through_pairs(function: Callable[..., Any], positions: Sequence[int]) -> Callable[..., Any]:
    """Return the function of pairs, which returns pairs for complex results."""

    def called(*flat: Any) -> Any:
        values = [torch.complex(v[..., 0], v[..., 1]) if i in positions else v
                  for i, v in enumerate(flat)]  # fmt: skip
        return _pairs(function(*values))

    called.__name__ = name_of(function)
    called.__wrapped__ = function  # type: ignore[attr-defined]
    return called


def returns_complex(reference: Callable[..., Any], inputs: Inputs) -> bool:
    """Return whether the reference returns complex numbers."""
    if inputs.complex:
        return True
    sizes = {k: inputs.known.get(k, FIRST[i % len(FIRST)]) for i, k in enumerate(inputs.letters)}
    try:
        with torch.no_grad():
            result = reference(*inputs.draw(sizes, 0))
    except Exception:  # it cannot run at these sizes
        return False
    found: list[bool] = []
    _each(result, lambda t: found.append(t.is_complex()))
    return any(found)


def _pairs(result: Any) -> Any:
    return _each(result, lambda t: torch.view_as_real(t.resolve_conj()) if t.is_complex() else t)


def _each(result: Any, change: Callable[[Tensor], Any]) -> Any:
    """Return a result with each of its tensors changed."""
    if isinstance(result, Tensor):
        return change(result)
    if isinstance(result, dict):
        return {k: _each(v, change) for k, v in result.items()}
    if isinstance(result, tuple | list):
        return tuple(_each(v, change) for v in result)
    return result
