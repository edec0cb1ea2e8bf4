"""Memory that a function must not write to, or reads before it is written."""

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.text import listed


@cause("HG163", "saved tensor overwritten", turn=Turn.EVENT)
def saved_overwritten(e: FunctionEvidence) -> FunctionFinding | None:
    """backward overwrites a tensor that forward saved: a second call gives another gradient.

    What
        The first backward is right, the next one through the same graph is wrong.
    Why
        retain_graph=True, gradient checkpointing and double backward use the same graph again.
    Wrong
        y, = ctx.saved_tensors
        return y.mul_(dout)
    Right
        return y * dout
    """
    if e.kind == "again":
        failure = (
            f"The gradient of {e.name(e.quantity.number)} is right the first time that backward "
            f"runs and wrong the second time (retain_graph=True)"
        )
    elif e.kind == "raised" and e.phase == "backward again":
        failure = "backward runs once; the second time (retain_graph=True) it raises this"
    else:
        return None
    return FunctionFinding(
        f"{failure}: backward overwrites a tensor that forward saved.",
        "Do not write to saved tensors: y * dout instead of y.mul_(dout).",
    )


@cause("HG164", "input modified in place", turn=Turn.EVENT)
def input_modified(e: FunctionEvidence) -> FunctionFinding | None:
    """The function writes to an input or to the upstream gradient.

    What
        The caller's tensor has other values after the call.
    Why
        Another function may have saved the tensor for its own backward. The upstream gradient may
        belong to another branch of the graph too.
    Wrong
        dout.mul_(y)
        return dout
    Right
        return dout * y
    """
    if e.kind != "changed":
        return None
    names = [fault.detail for fault in e.trial.faults if fault.kind == "changed"]
    phase = e.fault.phase or "backward"
    if len(names) > 1:
        failure = f"{phase} writes to {listed(names)}, which belong to the caller."
    else:
        kind = "" if names[0].startswith("the ") else "the input "
        failure = f"{phase} writes to {kind}{names[0]}, which belongs to the caller."
    return FunctionFinding(
        failure,
        "Write to new memory: torch.empty_like, or the out-of-place operation.",
    )


@cause("HG178", "memory never written", turn=Turn.INCOMPLETE)
def unwritten(e: FunctionEvidence) -> FunctionFinding | None:
    """Two calls on the same numbers give different results: part of the result was never written.

    What
        The result contains uninitialised memory, or memory that another thread was still writing.
    Why
        The grid or the mask of a kernel leaves elements out, or threads add to the same memory
        without atomics.
    Wrong
        dx = torch.empty_like(x); kernel[(n // BLOCK,)](dx, ...)
    Right
        kernel[((n + BLOCK - 1) // BLOCK,)](dx, ...)
    """
    if e.kind != "unsteady":
        return None
    return FunctionFinding(
        "Two calls on the same numbers give different results: part of the result is never "
        "written, or several threads write to it at once.",
        "Start from torch.zeros_like to see which elements stay 0; then correct the grid or the "
        "mask.",
    )


@cause("HG183", "state shared between calls", turn=Turn.INCOMPLETE)
def shared_state(e: FunctionEvidence) -> FunctionFinding | None:
    """What forward keeps for backward, or a result, is overwritten by the next call.

    What
        One call alone is right. With two calls before backward, as with a layer that is used twice
        or with microbatches, a result is that of the other call.
    Why
        The class, a global or a buffer holds one value for all calls. ctx belongs to one call.
    Wrong
        Tanh.y = y                        # also: return self.buffer
    Right
        ctx.save_for_backward(y)
    """
    if e.kind not in ("mixed", "overwritten"):
        return None
    what = "output" if e.quantity.kind == "output" else "gradient"
    if e.kind == "overwritten":
        return FunctionFinding(
            f"The next call overwrites this {what}: both return the same memory.",
            "Return new memory from each call: torch.empty_like, not a buffer that is kept.",
        )
    return FunctionFinding(
        f"If the function is called again before backward, this {what} is wrong: forward keeps "
        f"state where the next call overwrites it.",
        "Keep what backward needs in ctx (ctx.save_for_backward), not on the class, in a global or "
        "in a buffer.",
    )
