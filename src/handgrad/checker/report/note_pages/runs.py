"""Pages of the notes on the file, its run and the check."""

RUN_PAGES: dict[str, tuple[str, str]] = {
    "HG208": (
        "parameter that can hide a mistake",
        """\
What: all values of a parameter are 0, or all are equal.

Why: with a bias of 0 or a gain of 1, a line that leaves it out gives the same result as the correct
line. Initialise it with random numbers while you check, as the lecture does.

Wrong:

    bngain = torch.ones((1, n_hidden))

Right:

    bngain = torch.randn((1, n_hidden)) * 0.1 + 1.0
""",
    ),
    "HG209": (
        "shuffled list that is not used",
        """\
What: a list is shuffled, but the following code uses another list.

Why: the training and test data were meant to come from the shuffled list. Now they are in the
original order.

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
What: a comparison in the file compares a gradient with a tensor that is not its own.

Why: its result says nothing about the gradient. Even if the shapes differ, broadcasting lets the
comparison run.

Wrong:

    cmp("hprebn", dhprebn, hpreact)

Right:

    cmp("hprebn", dhprebn, hprebn)
""",
    ),
    "HG214": (
        "loop checked in part",
        """\
What: only the first steps of a training loop were recorded; the rest of the loop ran unrecorded.

Why: every step does the same, and recording all of them would need too much time and memory.
Use --max-steps N to record N steps.
""",
    ),
    "HG215": (
        "loss that cannot be computed in float64",
        """\
What: an operation of the forward pass cannot run in float64, so the true gradients are unknown.

Why: a torch.autograd.Function hides its steps, and some operations support float32 only. No
gradient of this forward pass is graded. You can check the two halves of a Function as functions:

    handgrad.check(forward, backward, inputs)
""",
    ),
    "HG216": (
        "part of the file not recorded",
        """\
What: recording the file failed in part. The file itself ran normally; what was not recorded is not
graded.

Why: this is a bug in handgrad, not in the file. Please report it, if possible with the line.
""",
    ),
    "HG218": (
        "pair with an unknown name",
        """\
What: a pair, given with --pair or in code, contains a name that no tensor of the file has.

Why: the name is misspelled, or its line did not run. The gradient is on the left, the tensor on the
right:

    handgrad check file.py --pair dh=a
""",
    ),
    "HG280": (
        "shell command skipped",
        """\
What: a line such as `!ls`, `%pip install` or `%timeit` was skipped.

Why: a check runs Python code only. If a later cell needs the result of the line, run the line
yourself before the check.
""",
    ),
    "HG281": (
        "exit() in a cell",
        """\
What: a cell called exit(); the cells after it did not run.

Why: in Jupyter, exit() ends the kernel. The cells below are not graded.
""",
    ),
    "HG282": (
        "saved output differs",
        """\
What: a cell prints True, but its saved output is False, or the other way round.

Why: before the notebook was saved, its cells ran in another order, ran twice, or were edited after
they ran. The report describes a clean run from top to bottom. To reproduce it, restart the kernel
and run all cells.
""",
    ),
    "HG283": (
        "error that the saved output does not show",
        """\
What: a cell raises an error in a clean run, but its saved output shows none.

Why: the cell depends on a later or deleted cell, or on a file or package that is missing here. To
reproduce the error, restart the kernel and run all cells.
""",
    ),
}
