"""Pages of the notes on a line of the backward pass, right or wrong in a way of its own."""

LINE_PAGES: dict[str, tuple[str, str]] = {
    "HG201": (
        "another name for the same memory",
        """\
What: a finished gradient is written to under another name. Here nothing reads it afterwards.

Why: `a = b` makes no copy. Whatever changes a in place (`a += ...`, `a[i] = ...`) changes b.

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

Why: the derivatives that still have to read it read something else from there on.

Wrong:

    bndiff += 2 * bndiff * dbndiff2

Right:

    dbndiff += 2 * bndiff * dbndiff2
""",
    ),
    "HG203": (
        "node computed again after the loss",
        """\
What: a name of the forward pass is set anew after the loss, and the backward pass reads it.

Why: the loss came from the earlier tensor. Gradients refer to that one, and random numbers or a
changed parameter make the new one another.

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

Why: what autograd worked out is not by hand, and is only there as long as backward() runs.

Wrong:

    dW = h.T @ logits.grad

Right:

    dW = h.T @ dlogits
""",
    ),
    "HG205": (
        "branch whose gradient is 0",
        """\
What: one of the ways from a tensor to the loss is left out, and the gradient is right all the same.

Why: what comes back that way is 0 whatever the numbers. Subtracting the maximum changes no softmax,
so the gradient of the maximum is 0. Nothing needs to be done.
""",
    ),
    "HG206": (
        "two mistakes that cancel",
        """\
What: the gradient is right, though its line is not: another mistake above it undoes this one.

Why: mend one of them alone and the gradient turns wrong. A factor forgotten in one line and put
into the next is the usual case. Both lines are to be mended.

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
What: the gradient is right here, and its line gives something else than it should for other
gradients upstream.

Why: a mistake does not show where it multiplies zeros, ones or equal numbers: with an upstream
gradient of ones, dout and dout**2 are alike.

Wrong:

    dx = dout**2 * w

Right:

    dx = dout * w
""",
    ),
    "HG210": (
        "right value in the wrong shape",
        """\
What: the numbers are right, and their shape is not that of the tensor.

Why: a sum without keepdim=True loses a dimension, one with it keeps one too many. Broadcasting
hides it until a step or a copy spreads it wrongly.

Wrong:

    db = dhpreact.sum(0, keepdim=True)

Right:

    db = dhpreact.sum(0)
""",
    ),
    "HG211": (
        "autograd further from the truth than you",
        """\
What: your gradient is right, and autograd's own is less exact than yours.

Why: some operations have a derivative that loses digits, or that is not finite where the truth is:
a logarithm of a softmax near 0, a norm at 0. The truth is the same computation in float64. Nothing
needs to be done to your line; a comparison with autograd's gradient may say False.
""",
    ),
    "HG213": (
        "gradient written again",
        """\
What: a gradient is set a second time, and is right there too.

Why: the fused form after the step by step one is the usual case. The report shows the one from
which others are computed. Nothing needs to be done.
""",
    ),
    "HG217": (
        "clipped after it was finished",
        """\
What: a finished gradient is clipped or scaled, on purpose as it seems. It is graded as it was
before.

Why: clipping makes a gradient another one than the loss's, and is no mistake. If it was none: no
line may change a gradient after others have been computed from it.
""",
    ),
    "HG219": (
        "more gradients returned than inputs",
        """\
What: a backward function returns more values than its forward function has inputs. The first of
them were graded, each as the gradient of the input in its place.

Why: autograd asks for one gradient an input, in the order of the inputs, and None for what needs
none. One too many is often a gradient that was meant for something in the cache.
""",
    ),
}
