"""FUNCTION_CAUSES: the mistakes of hand-written functions and kernels, in the order tried."""

from handgrad.checker.functions.causes import (
    contract,
    layouts,
    numbers,
    precision,
    second,
    sizes,
    state,
    upstream,
)
from handgrad.checker.functions.causes.cause import FunctionCause

FUNCTION_CAUSES: tuple[FunctionCause, ...] = (
    contract.wrong_number,
    contract.swapped,
    contract.wrong_shape,
    contract.needs_input_grad,
    contract.none_gradient,
    state.saved_overwritten,
    state.input_modified,
    second.not_twice,
    second.second_wrong,
    upstream.unused_output,
    sizes.empty,
    sizes.last_block,
    state.unwritten,
    layouts.contiguous_only,
    layouts.upstream_strides,
    sizes.size_one,
    sizes.powers_of_two,
    precision.infinite,
    precision.low_precision,
    upstream.ignored,
    upstream.one_number,
    upstream.dropped,
    numbers.statistics_constant,
    numbers.vector_as_scalar,
    numbers.constant_factor,
    upstream.only_ones,
    precision.forward_differs,
)

__all__ = ["FUNCTION_CAUSES", "FunctionCause"]
