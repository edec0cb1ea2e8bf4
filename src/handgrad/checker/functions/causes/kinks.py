"""Gradients where elements are equal, or 0."""

from dataclasses import replace

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.report.patterns import worst


@cause("HG184", "wrong where elements are equal", turn=Turn.EVENT)
def ties(e: FunctionEvidence) -> FunctionFinding | None:
    """The gradient is right for numbers that all differ, and wrong for equal ones or 0.

    What
        Where elements share a maximum, each one gets the full gradient, or none gets any.
    Why
        A maximum has one gradient to give: to one of the equal elements, or divided among them. In
        bfloat16, in integers and after relu, equal elements are common.
    Wrong
        return (x == out[:, None]) * dout[:, None]
    Right
        winners = x == out[:, None]
        return winners * dout[:, None] / winners.sum(1, keepdim=True)
    """
    if not e.sample.ties or not e.comparable or e.quantity.kind != "gradient":
        return None
    if e.fails(replace(e.sample, ties=False)) is not False:
        return None
    fix = "Give the gradient to one of the equal elements, or divide it among them."
    index, got, expected = worst(e.hand, e.right)
    ratio = got / expected if expected else 0.0
    if abs(ratio - round(ratio)) < 1e-6 and round(ratio) > 1:
        return FunctionFinding(
            f"Every element that ties for a maximum, minimum or place in an order gets the full "
            f"gradient: {round(ratio)} equal elements share one, so the sum is {round(ratio)} "
            f"times too large. That is no subgradient.",
            fix,
        )
    where = f" at [{', '.join(map(str, index))}]" if index else ""
    return FunctionFinding(
        f"Wrong only where elements are equal or 0{where}: the gradient from neither side, nor "
        f"between them.",
        fix,
    )
