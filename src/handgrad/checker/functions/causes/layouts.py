"""Memory that is read as if it had another layout: inputs, upstream gradients."""

from torch import Tensor

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.samples.memory import in_storage_order

LAYOUT = {
    "transposed": "is transposed in memory",
    "sliced": "is a slice with gaps in memory",
    "offset": "starts inside its storage",
    "expanded": "is expanded (stride 0)",
    "split": "is a part of wider rows, as from chunk(3, -1)",
    "heads": "has two dimensions swapped in memory, as (B, T, H, D).transpose(1, 2)",
    "channels_last": "is in channels_last memory format",
    "given": "has the memory layout of the example",
}
UPSTREAM = {
    "strided": "is not contiguous",
    "expanded": "is expanded (stride 0, as from .sum())",
    "ones": "is expanded ones (stride 0, as from .sum())",
}
READ_IN_ORDER = "its memory is read in order and its strides are ignored"


@cause("HG154", "only right for contiguous inputs", turn=Turn.CONDITION)
def contiguous_only(e: FunctionEvidence) -> FunctionFinding | None:
    """The function reads the memory of an input in order and ignores its strides.

    What
        The result is right for contiguous inputs, and wrong for a transpose, a slice or an expanded
        tensor: the function reads whatever comes first in memory.
    Why
        A kernel that receives a pointer and sizes knows no strides. Neither does .data_ptr().
    Wrong
        kernel[grid](x, out, n)
    Right
        x = x.contiguous()
        kernel[grid](x, out, n)
    """
    if e.sample.layout == "contiguous" or e.kind not in ("wrong", "raised", "unsteady", "shape"):
        return None
    if not e.right_if_contiguous():
        return None
    condition = f"if {e.sample.on or 'an input'} {LAYOUT[e.sample.layout]}"
    name = e.sample.on or "x"
    fix = f"Make it contiguous first, {name} = {name}.contiguous(), or pass its strides on."
    if e.kind == "raised":
        return FunctionFinding(f"{e.phase} raises this {condition}.", fix)
    values = [in_storage_order(v) if isinstance(v, Tensor) else v for v in e.truth.values]
    is_read_in_order = e.comparable and e.explains(e.with_changes(values=values))
    effect = READ_IN_ORDER if is_read_in_order else "the result is wrong"
    return FunctionFinding(f"Only right for contiguous inputs: {condition}, {effect}.", fix)


@cause("HG157", "upstream gradient's strides ignored", turn=Turn.CONDITION)
def upstream_strides(e: FunctionEvidence) -> FunctionFinding | None:
    """backward reads the memory of the upstream gradient in order and ignores its strides.

    What
        The gradient is right for a contiguous upstream gradient. That of .sum(), .mean(), a
        transpose or a slice is not contiguous.
    Why
        The upstream gradient has the memory layout that the next operation gave it. .sum() passes
        on one number with stride 0: a kernel reads beyond it.
    Wrong
        def backward(ctx, dout): kernel[grid](dout, ...)
    Right
        dout = dout.contiguous()
    """
    if e.sample.upstream == "random" or e.phase == "double backward":
        return None
    if e.quantity.kind == "output" or not e.right_if_contiguous():
        return None
    layout = UPSTREAM[e.sample.upstream]
    fix = "Begin backward with dout = dout.contiguous()."
    if e.kind == "raised":
        return FunctionFinding(f"{e.phase} raises this if the upstream gradient {layout}.", fix)
    if not e.comparable and e.kind != "unsteady":
        return None
    upstream = list(map(in_storage_order, e.truth.upstream))
    is_read_in_order = e.comparable and e.explains(e.with_changes(upstream=upstream))
    effect = READ_IN_ORDER if is_read_in_order else "the result is wrong"
    return FunctionFinding(
        f"Only right for a contiguous upstream gradient: if it {layout}, {effect}.", fix
    )
