"""CAUSES: why a line is wrong, one file each, tried in this order.

A cause is a module with CODE, NAME, a docstring with What / Why / Wrong / Right that `handgrad
explain` prints, and `find`, a pure function from the evidence about one statement to a Finding or
None. A finding is verified: its line has been run in the place of the user's and makes what is
right, or its explanation, applied to what is right, makes the user's number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from handgrad.checker.explain.causes import (
    alias,
    attention,
    batchnorm,
    bessel,
    branch_twice,
    constant_factor,
    constant_statistics,
    detached,
    elementwise,
    epsilon,
    exponent,
    extra_sum,
    extra_term,
    forward_value,
    index_offset,
    layernorm,
    local_derivative,
    matmul,
    mean_for_sum,
    misplaced,
    missing_branch,
    missing_sum,
    overwritten,
    power_for_product,
    precision,
    rebuilt,
    replaced,
    returned_number,
    returned_position,
    shape,
    sign,
    softmax_cross_entropy,
    stale,
    sum_before_multiply,
    tensor_factor,
    tie,
    upstream_missing,
    wrong_axis,
    wrong_loop,
    wrong_operand,
)
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect


@dataclass(frozen=True)
class Cause:
    """One row of the table; `page` is its docstring."""

    code: str
    name: str
    page: str
    find: Callable[[Suspect], Finding | None]


def _cause(module: ModuleType) -> Cause:
    return Cause(module.CODE, module.NAME, module.__doc__ or "", module.find)


CAUSES: tuple[Cause, ...] = tuple(
    map(
        _cause,
        (
            shape,
            alias,
            branch_twice,
            detached,
            returned_position,
            returned_number,
            misplaced,
            overwritten,
            stale,
            rebuilt,
            precision,
            bessel,
            exponent,
            index_offset,
            sign,
            forward_value,
            replaced,
            wrong_loop,
            softmax_cross_entropy,
            constant_statistics,
            missing_branch,
            matmul,
            extra_sum,
            mean_for_sum,
            elementwise,
            wrong_axis,
            sum_before_multiply,
            wrong_operand,
            batchnorm,
            layernorm,
            constant_factor,
            power_for_product,
            tie,
            missing_sum,
            attention,
            epsilon,
            extra_term,
            upstream_missing,
            tensor_factor,
            local_derivative,
        ),
    )
)

AS_IT_RAN = Cause(
    precision.CODE, precision.NAME, precision.__doc__ or "", precision.of_right_formula
)
"""Of a line that is right, whose value was not: all that is left is the dtype."""
