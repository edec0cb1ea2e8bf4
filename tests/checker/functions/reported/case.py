"""A function rewritten from a public bug report: wrong, with its reasons, or right."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch.autograd import Function


class Reported(NamedTuple):
    """A function, its reference, its inputs, and the codes of the reasons that are right.

    A right function has none.
    """

    function: Any
    reference: Any
    inputs: Any
    codes: tuple[str, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012


def planted(reference: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    """Return a Function that computes the reference, with this backward(dout, *inputs)."""

    class Planted(Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.inputs = inputs
            ctx.save_for_backward(*(v for v in inputs if hasattr(v, "shape")))
            return reference(*inputs)

        @staticmethod
        def backward(ctx, *dout):
            return backward(*dout, *ctx.saved_tensors)

    return Planted.apply


def pair(reference, inputs, right, wrong, *codes, **options):
    """Return the right and the wrong function of a reference, with their backward passes."""
    return (
        Reported(planted(reference, right), reference, inputs, (), options),
        Reported(planted(reference, wrong), reference, inputs, codes, options),
    )
