"""What each note means, by its code: a name, and the page that `handgrad explain` prints."""

NOTE_PAGES: dict[str, tuple[str, str]] = {
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
    "HG208": (
        "parameter that would mask a mistake",
        """\
What: a parameter is 0, or one number, throughout.

Why: with a bias of 0 or a gain of 1 a line that forgets it, or adds where it should multiply, gives
the same as the right one. Start it from random numbers while checking, as the lecture does.

Wrong:

    bngain = torch.ones((1, n_hidden))

Right:

    bngain = torch.randn((1, n_hidden)) * 0.1 + 1.0
""",
    ),
    "HG209": (
        "list shuffled and not read",
        """\
What: a list is shuffled and nothing reads it afterwards; what follows uses another one.

Why: the split into training and test data was meant to be of the shuffled list. It has another
order than the notebook says, and often another than its author's.

Wrong:

    random.shuffle(words)
    Xtr, Ytr = build_dataset(names[:n1])

Right:

    random.shuffle(words)
    Xtr, Ytr = build_dataset(words[:n1])
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
    "HG212": (
        "compared with the wrong tensor",
        """\
What: a comparison in the file holds a gradient against another tensor than its own.

Why: whatever it prints says nothing about the gradient. Where shapes differ, broadcasting makes it
print something all the same.

Wrong:

    cmp("hprebn", dhprebn, hpreact)

Right:

    cmp("hprebn", dhprebn, hprebn)
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
    "HG214": (
        "loop checked in part",
        """\
What: a training loop was recorded for its first steps only; the rest of it ran unrecorded.

Why: every step does the same, and recording all of them would take their time and memory.
--max-steps N records N of them.
""",
    ),
    "HG215": (
        "loss that cannot be run again",
        """\
What: an operation on the way to the loss cannot be repeated in float64, so there is no truth.

Why: a torch.autograd.Function hides its steps, and some operations exist in float32 alone. Nothing
of that forward pass is graded. The two halves of a Function can be checked as functions:

    handgrad.check(forward, backward, inputs)
""",
    ),
    "HG216": (
        "part of the file not watched",
        """\
What: something went wrong in the recording itself. The file ran as ever; what was missed is not
graded.

Why: this is a fault of handgrad, not of the file. Please report it, with the line if it may be
shown.
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
    "HG218": (
        "pair of a name that is nowhere",
        """\
What: a pair given with --pair, or in code, has a name that no tensor of the file has.

Why: a slip in the name, or a line that was never reached. The left one is the gradient, the right
one the tensor:

    handgrad check file.py --pair dh=a
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
    "HG280": (
        "line for the system left out",
        """\
What: a line such as `!ls`, `%pip install` or `%timeit` was not run.

Why: a check runs Python alone. Where a later cell needs what the line would have made, run that
line yourself before the check.
""",
    ),
    "HG281": (
        "exit() in a cell",
        """\
What: a cell called exit(); no cell after it was run.

Why: Jupyter would have ended the kernel there, too. What stands below is not graded.
""",
    ),
    "HG282": (
        "saved output says otherwise",
        """\
What: a cell prints True where its saved output has False, or the reverse.

Why: the notebook was saved after its cells had run in another order, or twice, or had been changed
since. The report is of a clean run from top to bottom. Restart the kernel and run all to see it.
""",
    ),
    "HG283": (
        "raised now, not when it was saved",
        """\
What: a cell raises in a clean run, and its saved output shows no error.

Why: it needs what a later or a deleted cell made, or a file or package that is not here. Restart
the kernel and run all to see it.
""",
    ),
}
