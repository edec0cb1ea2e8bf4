"""Double backward: the gradient of the gradient."""

from handgrad.checker.functions.causes.cause import cause
from handgrad.checker.functions.evidence import Evidence, Finding


@cause("HG167", "not differentiable twice")
def not_twice(e: Evidence) -> Finding | None:
    """The gradient has no gradient.

    What
        Gradient penalties, Hessian products and meta-learning fail.
    Why
        once_differentiable forbids it; NumPy, a kernel or .detach() in backward cut it off.
    Wrong
        @once_differentiable
        def backward(ctx, dout): ...
    Right
        backward in torch operations, or a second autograd.Function called from backward
    """
    if e.quantity.kind == "second" and e.values:
        own = [t for q, t in e.trial.found.items() if q.kind == "second"]
        if any(bool((t != 0).any()) for t in own):
            return None
        return Finding(
            "The second gradients are all 0: backward is cut off from autograd.",
            "Write backward in torch operations on ctx.saved_tensors, without once_differentiable, "
            ".detach, .data, NumPy or no_grad.",
        )
    if e.kind != "raised" or e.phase != "double backward":
        return None
    return Finding(
        "backward cannot be differentiated.",
        "Write backward in torch operations without once_differentiable, or as a second "
        "autograd.Function.",
    )


@cause("HG176", "second derivative wrong")
def second_wrong(e: Evidence) -> Finding | None:
    """The gradient is right, its own gradient is not.

    What
        What forward computed and saved is a constant to the second differentiation.
    Why
        forward runs without autograd: an intermediate that it saves (neither input nor output) has
        no history. Inputs and outputs, saved by save_for_backward, have theirs.
    Wrong
        s = x.sigmoid(); ctx.s = s
    Right
        ctx.save_for_backward(x)          # and x.sigmoid() again in backward
    """
    if e.quantity.kind != "second" or not e.values:
        return None
    return Finding(
        f"{_by(e)} is wrong while the gradient itself is right: what forward computed and saved "
        f"is a constant to it.",
        "Save inputs and outputs by ctx.save_for_backward and compute intermediates again in "
        "backward.",
    )


def _by(e: Evidence) -> str:
    index = e.quantity.number
    return f"The second gradient by {e.name(index) if index >= 0 else 'the upstream gradient'}"
