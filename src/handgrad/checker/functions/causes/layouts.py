"""Memory read as if it lay otherwise: inputs, upstream gradients."""

from torch import Tensor

from handgrad.checker.functions.bench import doubles
from handgrad.checker.functions.causes.cause import cause
from handgrad.checker.functions.evidence import Evidence, Finding
from handgrad.checker.functions.memory import in_storage_order

LIES = {
    "transposed": "transposed in memory",
    "sliced": "a slice with gaps in memory",
    "offset": "begins within its memory",
    "expanded": "expanded (stride 0)",
}
COMES = {
    "strided": "is not contiguous",
    "expanded": "is expanded (stride 0, as .sum() passes it on)",
    "ones": "is expanded ones (stride 0, as .sum() passes it on)",
}


@cause("HG154", "only right for contiguous inputs")
def contiguous_only(e: Evidence) -> Finding | None:
    """The function reads an input's memory in order, whatever its strides are.

    What
        Right for contiguous inputs; others (a transpose, a slice, an expanded tensor) are taken for
        what lies in memory first.
    Why
        A kernel that gets a pointer and sizes knows nothing of strides; .data_ptr neither.
    Wrong
        kernel[grid](x, out, n)
    Right
        x = x.contiguous()
        kernel[grid](x, out, n)
    """
    if e.sample.layout == "contiguous" or e.kind not in ("wrong", "raised", "unsteady", "shape"):
        return None
    if not e.in_order():
        return None
    name = e.sample.on or "an input"
    lies = f"{name} is {LIES[e.sample.layout]}".replace("is begins", "begins")
    mend = f"Make it contiguous first: {e.sample.on or 'x'} = {e.sample.on or 'x'}.contiguous(); " \
           f"or pass its strides on."  # fmt: skip
    if e.kind == "raised":
        return Finding(f"{e.phase} raises this where {lies}.", mend)
    read = [in_storage_order(v) if isinstance(v, Tensor) else None for v in e.truth.values]
    values = [v if own is None else own for v, own in zip(e.truth.values, read, strict=True)]
    if e.values and e.explains(e.otherwise(values=values)):
        return Finding(
            f"Only right for contiguous inputs: where {lies}, the memory is read in its order, "
            f"strides ignored.",
            mend,
        )
    return Finding(f"Only right for contiguous inputs: where {lies}, the result is another.", mend)


@cause("HG157", "upstream gradient's strides ignored")
def upstream_strides(e: Evidence) -> Finding | None:
    """backward reads the upstream gradient's memory in order, whatever its strides are.

    What
        Right for a contiguous gradient; that of .sum(), .mean(), a transpose or a slice is not.
    Why
        The gradient that comes lies in memory as the next operation left it. .sum() hands on one
        number with stride 0: a kernel reads beyond it.
    Wrong
        def backward(ctx, dout): kernel[grid](dout, ...)
    Right
        dout = dout.contiguous()
    """
    if e.sample.upstream == "random" or e.phase == "double backward":
        return None
    if e.quantity.kind == "output" or not e.in_order():
        return None
    comes, mend = COMES[e.sample.upstream], "Begin backward with dout = dout.contiguous()."
    if e.kind == "raised":
        return Finding(f"{e.phase} raises this where the upstream gradient {comes}.", mend)
    if not e.values and e.kind != "unsteady":
        return None
    plain = doubles(e.truth.upstream)
    read = [in_storage_order(u) for u in e.truth.upstream]
    taken = [p if own is None else own for p, own in zip(plain, read, strict=True)]
    how = "the result is another"
    if e.values and e.explains(e.otherwise(upstream=taken)):
        how = "its memory is read in its order, strides ignored"
    return Finding(f"Only right for a contiguous upstream gradient: where it {comes}, {how}.", mend)
