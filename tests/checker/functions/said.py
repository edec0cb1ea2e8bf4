"""What is said of each cause, whole: where, the message, what to do; of its first case."""

SAID = {
    "HG150": (
        "backward",
        "backward returns 2 gradients, forward has 3 inputs (x, weight, bias).",
        "Return one gradient for each argument of forward, in their order, None for what has none.",
    ),
    "HG151": (
        "gradient of x",
        "The upstream gradient is ignored: this is the gradient of .sum(), whatever comes "
        "from above.",
        "Multiply by the argument of backward: local * dout.",
    ),
    "HG152": (
        "gradient of x",
        "A statistic of x is treated as a constant: this is the gradient with the "
        "reference's `mean in layer_norm` and `var in layer_norm` detached.",
        "Add the terms that come to x through the `mean in layer_norm` and `var in layer_norm`.",
    ),
    "HG153": (
        "output, gradient of weight",
        "The last block of C is lost: with C=65, only index 64 is off; with C=64 it is "
        "right. Blocks of 64.",
        "Round the number of blocks up, (C + 63) // 64, and mask the rest.",
    ),
    "HG154": (
        "output, gradient of x",
        "Only right for contiguous inputs: where x is transposed in memory, the memory is "
        "read in its order, strides ignored.",
        "Make it contiguous first: x = x.contiguous(); or pass its strides on.",
    ),
    "HG155": (
        "gradient of x",
        "Only right for an upstream gradient of ones: it is multiplied in twice.",
        "Multiply by dout once: the gradient is linear in it.",
    ),
    "HG156": (
        "gradient of logits",
        "The upstream gradient is taken for one number: its first element is taken for all of it.",
        "Use each element of dout where its own output is: dout[:, None] for one a row.",
    ),
    "HG157": (
        "gradient of x",
        "Only right for a contiguous upstream gradient: where it is not contiguous, its "
        "memory is read in its order, strides ignored.",
        "Begin backward with dout = dout.contiguous().",
    ),
    "HG158": (
        "output, gradient of x",
        "scale is taken for a scalar: its first element is used for all.",
        "Read each element of scale where its own row or column is.",
    ),
    "HG159": (
        "gradient of weight",
        "backward returns None for weight, whose gradient is not 0: weight would never be trained.",
        "Return the gradient of weight at position 1 of what backward returns.",
    ),
    "HG160": (
        "gradient of q, gradient of k",
        "backward returns the gradient of k where that of q is due and the gradient of q "
        "where that of k is due.",
        "Return the gradients in the order of forward's arguments: q, k, v.",
    ),
    "HG161": (
        "backward",
        "The gradient of weight is f64[16,7] where weight is f64[7,16]; its values are right.",
        "Append .T to it.",
    ),
    "HG162": (
        "gradient of x",
        "Everything is off by the factor 1/2.",
        "Multiply by 2.",
    ),
    "HG163": (
        "gradient of x",
        "The gradient of x is right the first time that backward runs and another the "
        "second time (retain_graph=True): it writes to what forward saved.",
        "Write to no saved tensor: y * dout in place of y.mul_(dout).",
    ),
    "HG164": (
        "backward",
        "backward writes to the upstream gradient, which belongs to the caller.",
        "Write to fresh memory: torch.empty_like, or the operation that is not in place.",
    ),
    "HG165": (
        "gradient of weight",
        "The error grows with B: R is 1 at B=16, 1 at B=127, 47 at B=1031; in float64 it is"
        " right. Sums are kept in bfloat16.",
        "Add up in float32, and cast what comes out.",
    ),
    "HG166": (
        "output",
        "The function computes something else than the reference; its backward is right for"
        " its own forward (central differences).",
        "Mend the forward, or give the reference that it stands for; then look at gradients.",
    ),
    "HG167": (
        "second gradient by the upstream gradient, second gradient by x",
        "The second gradients are all 0: backward is cut off from autograd.",
        "Write backward in torch operations on ctx.saved_tensors, without "
        "once_differentiable, .detach, .data, NumPy or no_grad.",
    ),
    "HG168": (
        "output, gradient of x",
        "NaN or infinity where a row of the inputs is 0; the reference is finite there.",
        "Add the reference's eps inside the root or the quotient, or mask before dividing.",
    ),
    "HG169": (
        "output, gradient of x",
        "Only right where C is a power of two: right for 2, 4, 16, not for 3, 6, 13.",
        "Mask what is padded, and divide by C itself.",
    ),
    "HG170": (
        "forward",
        "Without any elements (C=0) forward raises this; the reference can do it.",
        "Return early where x.numel() == 0.",
    ),
    "HG171": (
        "backward",
        "backward raises this where x alone requires a gradient; with all inputs requiring "
        "one it is right.",
        "Compute each gradient by its own flag in ctx.needs_input_grad, and save what each "
        "needs whichever flags are set.",
    ),
    "HG172": (
        "gradient of x",
        "With B=1 it is wrong; with B=2 it is right.",
        "Name the dimension in .squeeze(dim); look for n - 1, and for what broadcasts at size 1.",
    ),
    "HG176": (
        "second gradient by x",
        "The second gradient by x is wrong while the gradient itself is right: what forward"
        " computed and saved is a constant to it.",
        "Save inputs and outputs by ctx.save_for_backward and compute intermediates again "
        "in backward.",
    ),
    "HG177": (
        "gradient of x",
        "The gradient that comes through output 1 is dropped.",
        "Add what the second argument of backward contributes; or say "
        "ctx.mark_non_differentiable of that output.",
    ),
    "HG178": (
        "gradient of x",
        "Two calls on the same numbers give different results: part of it is never written,"
        " or is written by several threads at once.",
        "Start from torch.zeros_like to see which elements stay 0; then mend the grid or the mask.",
    ),
    "HG179": (
        "backward",
        "Where a gradient comes through output 0 alone, backward raises this.",
        "Take None for the gradient of an output that was not used, or leave "
        "ctx.set_materialize_grads(False) out.",
    ),
}
