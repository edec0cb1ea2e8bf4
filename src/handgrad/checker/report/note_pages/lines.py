"""Pages of the notes on a line of the backward pass."""

LINE_PAGES: dict[str, tuple[str, str]] = {
    "HG201": (
        "another name for the same memory",
        """\
What: a finished gradient is changed under another name. Nothing reads it afterwards, so no
gradient is wrong.

Why: `a = b` does not copy. An in-place change of a (`a += ...`, `a[i] = ...`) also changes b.

Wrong:

    dlogits = dnorm_logits
    dlogits += F.one_hot(ix, n) * dlogit_maxes

Right:

    dlogits = dnorm_logits.clone()
    dlogits += F.one_hot(ix, n) * dlogit_maxes
""",
    ),
    "HG202": (
        "forward tensor overwritten",
        """\
What: a line of the backward pass writes into a tensor of the forward pass.

Why: lines that read the tensor afterwards get the overwritten values.

Wrong:

    bndiff += 2 * bndiff * dbndiff2

Right:

    dbndiff += 2 * bndiff * dbndiff2
""",
    ),
    "HG203": (
        "node computed again after the loss",
        """\
What: a tensor of the forward pass is computed again after the loss, and the backward pass reads
the new one.

Why: the loss was computed from the first tensor, and so are its gradients. With random numbers or a
changed parameter, the second tensor has other values.

Wrong:

    loss.backward()
    h = torch.tanh(hpreact)
    dhpreact = (1 - h**2) * dh

Right:

    loss.backward()
    dhpreact = (1 - h**2) * dh
""",
    ),
    "HG204": (
        "autograd's gradient in the pass by hand",
        """\
What: a gradient by hand is computed from a `.grad`.

Why: this is autograd's gradient, not one by hand. It exists only after backward() has run.

Wrong:

    dW = h.T @ logits.grad

Right:

    dW = h.T @ dlogits
""",
    ),
    "HG205": (
        "branch whose gradient is 0",
        """\
What: the gradient leaves out one branch from its tensor to the loss, and is correct anyway.

Why: the contribution of that branch is always 0. For example, subtracting the maximum does not
change a softmax, so the gradient of the maximum is 0. You need not do anything.
""",
    ),
    "HG206": (
        "two mistakes that cancel",
        """\
What: the gradient is correct although its line is wrong: a mistake in an earlier line cancels it.

Why: usually one line lacks a factor and the next line has it. Correct both lines; if you correct
only one of them, the gradient becomes wrong.

Wrong:

    dh = 2 * (dlogits @ W.T)
    dhpreact = 0.5 * (1 - h**2) * dh

Right:

    dh = dlogits @ W.T
    dhpreact = (1 - h**2) * dh
""",
    ),
    "HG207": (
        "right by luck of the inputs",
        """\
What: the gradient is correct with these inputs, but its line gives a wrong result for other
upstream gradients.

Why: zeros, ones and equal numbers hide a mistake. With an upstream gradient of ones, dout and
dout**2 are equal.

Wrong:

    dx = dout**2 * w

Right:

    dx = dout * w
""",
    ),
    "HG210": (
        "right value in the wrong shape",
        """\
What: the values are correct, but the gradient does not have the shape of its tensor.

Why: a sum without keepdim=True drops a dimension; with keepdim=True it keeps one. Broadcasting
hides the difference until an update or a copy broadcasts it wrongly.

Wrong:

    db = dhpreact.sum(0, keepdim=True)

Right:

    db = dhpreact.sum(0)
""",
    ),
    "HG211": (
        "autograd less exact than your gradient",
        """\
What: your gradient is correct, and autograd's is less exact than yours.

Why: the derivatives of some operations lose digits, or are not finite where the true gradient is
finite, such as the logarithm of a softmax near 0 or a norm at 0. The true gradient is the same
computation in float64. Your line is fine; a comparison with autograd's gradient may print False.
""",
    ),
    "HG213": (
        "gradient written again",
        """\
What: a gradient is computed a second time, and is correct both times.

Why: usually the fused form follows the step-by-step one. The report shows the gradient that others
are computed from. You need not do anything.
""",
    ),
    "HG217": (
        "clipped after it was finished",
        """\
What: a finished gradient is clipped or scaled, apparently on purpose. The check grades the gradient
before that.

Why: a clipped gradient is no longer the gradient of the loss, and that is intended. If you did not
intend it, do not change a gradient after others have been computed from it.
""",
    ),
    "HG219": (
        "more gradients returned than inputs",
        """\
What: a backward function returns more values than its forward function has inputs. The first ones
are graded, each as the gradient of the input in the same position.

Why: autograd expects one gradient per input, in the order of the inputs, with None for inputs that
need no gradient. An extra value is often the gradient of a tensor in the cache.
""",
    ),
}
