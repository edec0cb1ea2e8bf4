"""One element in place of a whole operand."""

from collections.abc import Iterator

from torch import Tensor

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding


@cause("HG158", "vector read as a scalar", turn=Turn.OPERATION)
def vector_as_scalar(e: FunctionEvidence) -> FunctionFinding | None:
    """One element of an operand is used in place of all its elements.

    What
        The result is right if the operand is the same everywhere (weights of 1, one scale for all),
        and wrong for one scale per token or one weight per channel.
    Why
        The kernel loads only the first element, or .item() or .mean() reduces it to one number.
    Wrong
        scale = tl.load(scale_ptr)
    Right
        scale = tl.load(scale_ptr + row)
    """
    if not e.comparable:
        return None
    for i, value in e.floating_inputs():
        if value.numel() < 2:
            continue
        for effect, scalar in _scalars_of(value):
            if e.explains(e.with_value(i, scalar.expand_as(value).clone())):
                return FunctionFinding(
                    f"{e.name(i)} is read as a scalar: {effect}.",
                    f"Read the element of {e.name(i)} that belongs to each row or column.",
                )
    return None


def _scalars_of(value: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield "its first element is used for all elements", value.flatten()[0]
    yield "its mean is used for all elements", value.mean()
    if value.dim() > 1:
        yield "its first row is used for all rows", value[:1]
        yield "its first column is used for all columns", value[..., :1]
