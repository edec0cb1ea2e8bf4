"""Pages of the notes on the file, its run and the check itself."""

RUN_PAGES: dict[str, tuple[str, str]] = {
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
    "HG218": (
        "pair of a name that is nowhere",
        """\
What: a pair given with --pair, or in code, has a name that no tensor of the file has.

Why: a slip in the name, or a line that was never reached. The left one is the gradient, the right
one the tensor:

    handgrad check file.py --pair dh=a
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
