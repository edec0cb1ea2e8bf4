"""`handgrad exercise`: write a notebook with a blank for each gradient of a forward pass."""

import re
from pathlib import Path
from typing import Annotated

import typer

from handgrad.cli.output import hint_level
from handgrad.errors import SettingsError


def exercise(
    forward: Annotated[
        Path | None,
        typer.Argument(metavar="[FORWARD]", help="Notebook or script with a forward pass."),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Use a built-in forward pass instead, such as layernorm or lstm."
        ),
    ] = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="List the built-in forward passes and exit.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Notebook to write.",
            show_default="FORWARD-exercise.ipynb or NAME-exercise.ipynb; -solution with --solution",
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
    from handgrad.checker.exercise.builtin import builtin, summaries
    from handgrad.checker.exercise.write import write_exercise

    if show_list:
        width = max(map(len, summaries()))
        for name, summary in summaries().items():
            print(f"{name:{width}}  {summary}")
        return
    if (forward is None) == (of is None):
        problem = "missing forward pass" if of is None else "FORWARD and --of cannot be combined"
        raise SettingsError(
            f"{problem}; name a notebook or a script, or a built-in forward pass with --of "
            "(--list shows them)"
        )
    level = hint_level(hint)
    if only and solution:
        raise SettingsError("--only and --solution cannot be combined; leave one of them out")
    kind = "solution" if solution else "exercise"
    source = builtin(str(of)) if forward is None else forward
    beside = Path(source.name) if forward is None else forward
    target = beside.with_name(f"{source.stem}-{kind}.ipynb") if out is None else out
    names = [name for name in re.split(r"[,\s]+", only or "") if name]
    written = write_exercise(source, target, level, names, force, timeout, solution, of)
    n = len(written.names)
    which = written.names[0] if n == 1 else f"from {written.names[0]} to {written.names[-1]}"
    gradients = f"{n} gradient{'' if n == 1 else 's'}"
    count = f"{written.n_solved} of {gradients} written" if solution else f"{gradients} to write"
    print(f"{written.file}: {count}, {which}.")
    print(f"Check it with: handgrad check {written.file} --hint {level}")
