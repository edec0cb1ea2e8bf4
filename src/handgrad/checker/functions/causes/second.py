"""Double backward: the gradient of the gradient."""

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding


@cause("HG167", "not differentiable twice", turn=Turn.EVENT)
def not_twice(e: FunctionEvidence) -> FunctionFinding | None:
    """The gradient itself cannot be differentiated.

    What
        Gradient penalties, Hessian products and meta-learning fail.
    Why
        once_differentiable forbids it. NumPy, a kernel or .detach() in backward cuts the graph.
    Wrong
        @once_differentiable
        def backward(ctx, dout): ...
    Right
        backward in torch operations, or a second autograd.Function called from backward
    """
    if e.quantity.kind == "second" and e.comparable:
        if any(bool(t.any()) for q, t in e.trial.results.items() if q.kind == "second"):
            return None
        return FunctionFinding(
            "All second gradients are 0: backward is cut off from autograd.",
            "Write backward in torch operations on ctx.saved_tensors, without once_differentiable, "
            ".detach, .data, NumPy or no_grad.",
        )
    if e.kind != "raised" or e.phase != "double backward":
        return None
    return FunctionFinding(
        "backward cannot be differentiated.",
        "Write backward in torch operations without once_differentiable, or as a second "
        "autograd.Function.",
    )


@cause("HG176", "second derivative wrong", turn=Turn.EVENT)
def second_wrong(e: FunctionEvidence) -> FunctionFinding | None:
    """The gradient is right, but the gradient of the gradient is wrong.

    What
        An intermediate that forward computes and saves is a constant in the second derivative.
    Why
        forward runs without autograd, so an intermediate that it saves (neither input nor output)
        has no history. Inputs and outputs keep theirs if ctx.save_for_backward saves them.
    Wrong
        s = x.sigmoid(); ctx.s = s
    Right
        ctx.save_for_backward(x)          # and x.sigmoid() again in backward
    """
    if e.quantity.kind != "second" or not e.comparable:
        return None
    index = e.quantity.number
    name = e.name(index) if index >= 0 else "the upstream gradient"
    return FunctionFinding(
        f"The second gradient of {name} is wrong, although the first gradient is right: an "
        f"intermediate that forward saves is a constant in it.",
        "Save inputs and outputs with ctx.save_for_backward, and recompute intermediates in "
        "backward.",
    )
