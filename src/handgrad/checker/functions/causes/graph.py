"""What autograd is told about the outputs, and dtypes that only the reference supports."""

from dataclasses import replace

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.text import listed


@cause("HG181", "dtype not supported", turn=Turn.EVENT)
def dtype(e: FunctionEvidence) -> FunctionFinding | None:
    """The function crashes in a dtype that the reference supports.

    What
        forward or backward is right in one dtype and raises in another.
    Why
        A tensor is created in the default dtype, or a kernel knows one dtype only. Under autocast,
        and in tests in float64, it fails.
    Wrong
        dtable = torch.zeros(n, d)
    Right
        dtable = torch.zeros(n, d, dtype=dout.dtype, device=dout.device)
    """
    base = e.explored.base
    if e.kind != "raised" or e.sample.dtype == base.dtype:
        return None
    if e.fails(replace(e.sample, dtype=base.dtype)) is not False:
        return None
    tried = dict.fromkeys(trial.sample.dtype for trial in e.explored.trials)
    failing = [d for d in tried if d != base.dtype and e.fails(replace(e.sample, dtype=d))]
    works = [d for d in tried if d not in failing]
    options = ", ".join(f'"{d}"' for d in works) + "," * (len(works) == 1)
    return FunctionFinding(
        f"{e.phase} raises this in {listed(failing)}; in {base.dtype} it is right, and the "
        f"reference supports all of them.",
        f"Create tensors in the dtype of the inputs (dtype=dout.dtype), or check only the dtypes "
        f"that are meant: dtypes=({options}).",
    )


@cause("HG182", "output cut off from its input", turn=Turn.EVENT)
def detached(e: FunctionEvidence) -> FunctionFinding | None:
    """An output does not require a gradient, and the reference's does.

    What
        What is computed from this output contributes nothing to the gradients. No error shows it.
    Why
        .detach(), .data, no_grad or NumPy cut the graph; ctx.mark_non_differentiable declares that
        there is no gradient.
    Wrong
        return out, lse.detach()
    Right
        return out, lse                   # and its gradient in backward
    """
    if e.kind != "detached":
        return None
    number = e.quantity.number
    return FunctionFinding(
        f"Output {number} does not require a gradient; the reference's does: a loss that uses it "
        f"trains nothing through it.",
        "Remove .detach, .data, no_grad or ctx.mark_non_differentiable, and return its "
        "contribution in backward; if it is meant, detach it in the reference.",
    )
