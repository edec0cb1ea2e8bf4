"""`handgrad exercise`: a notebook with a forward pass and a blank for each gradient."""

import re
from pathlib import Path
from typing import Annotated

import typer

from handgrad.cli.output import hint_level


def exercise(
    forward: Annotated[
        Path, typer.Argument(metavar="FORWARD", help="A notebook or script with a forward pass.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="The notebook to write.",
            show_default="FORWARD-exercise.ipynb, beside it",
        ),
    ] = None,
    hint: Annotated[
        str,
        typer.Option(
            metavar="where|what|fix", help="How much it tells of a mistake, until asked for more."
        ),
    ] = "where",
    only: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Ask for these gradients alone, such as dlogits,dh."),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that FORWARD may run.")] = 600.0,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a notebook that is there already.")
    ] = False,
) -> None:
    """Write a notebook in which the backward pass of FORWARD is to be written by hand.

    FORWARD is run, twice. What it does up to the loss is given; lines with gradients by hand, and
    all that follows the loss, are left out.
    """
    from handgrad.checker.exercise.write import write_exercise

    level = hint_level(hint)
    target = forward.with_name(f"{forward.stem}-exercise.ipynb") if out is None else out
    names = [name for name in re.split(r"[,\s]+", only or "") if name]
    made = write_exercise(forward, target, level, names, force, timeout)
    n = len(made.names)
    few = made.names[0] if n == 1 else f"{made.names[0]} to {made.names[-1]}"
    print(f"{made.file}: {n} gradient{'' if n == 1 else 's'} to write, {few}.")
    print(f"Check it with: handgrad check {made.file} --hint {level}")
