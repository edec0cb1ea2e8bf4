"""Memory that a function writes to and must not, or reads before it is written."""

from handgrad.checker.functions.causes.cause import cause
from handgrad.checker.functions.evidence import Evidence, Finding


@cause("HG163", "saved tensor overwritten")
def saved_overwritten(e: Evidence) -> Finding | None:
    """backward writes to what forward saved: a second call gives another gradient.

    What
        The first backward is right, the next through the same graph is not.
    Why
        retain_graph=True, gradient checkpointing and double backward ask the same graph again.
    Wrong
        y, = ctx.saved_tensors
        return y.mul_(dout)
    Right
        return y * dout
    """
    if e.kind == "again":
        said = (
            f"The gradient of {e.name(e.quantity.number)} is right the first time that backward "
            f"runs and another the second time (retain_graph=True)"
        )
    elif e.kind == "raised" and e.phase == "backward again":
        said = "backward runs once; the second time (retain_graph=True) it raises this"
    else:
        return None
    return Finding(
        f"{said}: it writes to what forward saved.",
        "Write to no saved tensor: y * dout in place of y.mul_(dout).",
    )


@cause("HG164", "input modified in place")
def input_modified(e: Evidence) -> Finding | None:
    """The function writes to an input or to the upstream gradient.

    What
        The caller's tensor has other values afterwards.
    Why
        Another function may have saved it for its own backward; the upstream gradient may be
        another branch's too.
    Wrong
        dout.mul_(y)
        return dout
    Right
        return dout * y
    """
    if e.kind != "changed":
        return None
    name = e.fault.said if e.fault.said.startswith("the ") else f"the input {e.fault.said}"
    names = [f.said for f in e.trial.faults if f.kind == "changed"]
    if len(names) > 1:
        name = ", ".join(names)
    phase = e.fault.phase or "backward"
    return Finding(
        f"{phase} writes to {name}, which belongs to the caller.",
        "Write to fresh memory: torch.empty_like, or the operation that is not in place.",
    )


@cause("HG178", "memory never written")
def unwritten(e: Evidence) -> Finding | None:
    """Two calls on the same numbers give different results: part of the result was never written.

    What
        What torch.empty gave, or what another thread had not finished, is in the result.
    Why
        A kernel's grid or mask leaves elements out, or threads add to memory without atomics.
    Wrong
        dx = torch.empty_like(x); kernel[(n // BLOCK,)](dx, ...)
    Right
        kernel[((n + BLOCK - 1) // BLOCK,)](dx, ...)
    """
    if e.kind != "unsteady":
        return None
    return Finding(
        "Two calls on the same numbers give different results: part of it is never written, or "
        "is written by several threads at once.",
        "Start from torch.zeros_like to see which elements stay 0; then mend the grid or the mask.",
    )
