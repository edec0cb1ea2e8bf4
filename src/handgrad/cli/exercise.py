"""`handgrad exercise`: a notebook with a forward pass and a blank for each gradient."""

import re
from pathlib import Path
from typing import Annotated

import typer

from handgrad.cli.output import hint_level
from handgrad.errors import SettingsError


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
            show_default="FORWARD-exercise.ipynb, or -solution.ipynb, beside it",
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
    solution: Annotated[
        bool, typer.Option("--solution", help="Put derived lines in the place of the blanks.")
    ] = False,
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
    if only and solution:
        raise SettingsError("--only asks for some gradients, --solution gives all: leave one out")
    kind = "solution" if solution else "exercise"
    target = forward.with_name(f"{forward.stem}-{kind}.ipynb") if out is None else out
    names = [name for name in re.split(r"[,\s]+", only or "") if name]
    made = write_exercise(forward, target, level, names, force, timeout, solution)
    n = len(made.names)
    few = made.names[0] if n == 1 else f"{made.names[0]} to {made.names[-1]}"
    many = f"{n} gradient{'' if n == 1 else 's'}"
    done = f"{made.n_solved} of {many} written" if solution else f"{many} to write"
    print(f"{made.file}: {done}, {few}.")
    print(f"Check it with: handgrad check {made.file} --hint {level}")
