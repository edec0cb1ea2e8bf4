"""`handgrad exercise`: write a notebook with a blank for each gradient of a forward pass."""

import re
from pathlib import Path
from typing import Annotated

import typer

from handgrad.cli.output import hint_level
from handgrad.errors import SettingsError


def exercise(
    forward: Annotated[
        Path, typer.Argument(metavar="FORWARD", help="Notebook or script with a forward pass.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Notebook to write.",
            show_default="FORWARD-exercise.ipynb or FORWARD-solution.ipynb",
        ),
    ] = None,
    hint: Annotated[
        str,
        typer.Option(
            metavar="where|what|fix",
            help="Let it show where each mistake is, also what it is, or also how to fix it.",
        ),
    ] = "where",
    only: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...", help="Leave blanks for these gradients only, such as dlogits,dh."
        ),
    ] = None,
    solution: Annotated[
        bool, typer.Option("--solution", help="Fill the blanks with derived lines.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Time limit for FORWARD, in seconds.")] = 600.0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing notebook.")] = False,
) -> None:
    """Write an exercise: a notebook in which to write the backward pass of FORWARD by hand.

    FORWARD runs twice. The notebook contains its code up to the loss, without the lines that
    compute gradients by hand, and a blank for each gradient.
    """
    from handgrad.checker.exercise.write import write_exercise

    level = hint_level(hint)
    if only and solution:
        raise SettingsError("--only and --solution cannot be combined; leave one of them out")
    kind = "solution" if solution else "exercise"
    target = forward.with_name(f"{forward.stem}-{kind}.ipynb") if out is None else out
    names = [name for name in re.split(r"[,\s]+", only or "") if name]
    written = write_exercise(forward, target, level, names, force, timeout, solution)
    n = len(written.names)
    which = written.names[0] if n == 1 else f"from {written.names[0]} to {written.names[-1]}"
    gradients = f"{n} gradient{'' if n == 1 else 's'}"
    count = f"{written.n_solved} of {gradients} written" if solution else f"{gradients} to write"
    print(f"{written.file}: {count}, {which}.")
    print(f"Check it with: handgrad check {written.file} --hint {level}")
