"""`handgrad check`: the gradients of a notebook or a script, and which lines are to blame."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.errors import SettingsError

if TYPE_CHECKING:
    from handgrad.checker.records import Report


def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="A notebook (.ipynb) or a script (.py).")
    ],
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TENSOR", help="NAME holds the gradient of TENSOR; may be repeated."
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that the file may run.")] = 600.0,
    max_steps: Annotated[
        int | None, typer.Option(metavar="N", help="Record N steps of a training loop, not 2.")
    ] = None,
    show_output: Annotated[
        bool, typer.Option("--show-output", help="Show what the file prints, too.")
    ] = False,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the report as JSON.")
    ] = None,
) -> None:
    """Run FILE in a process of its own and judge each gradient by hand in it.

    It runs the file's code as Python would: check only what you would run.

    Exit code 1: a gradient is wrong, or something in the file raised.

    Exit code 2: there is nothing to check.
    """
    from handgrad.checker.running.run import check_file
    from handgrad.cli.output import check_target

    if len(files) != 1:
        raise SettingsError(f"handgrad check takes one file, got {len(files)}")
    check_target(json)
    outcome = check_file(files[0], _pairs(pair or []), timeout, max_steps)
    if show_output:
        print(outcome.output, end="", file=sys.stderr)
    if json is not None:
        from handgrad.files import report_json

        report_json(json, outcome.report.to_json())
    if json != "-":
        _print(outcome.report)
    raise typer.Exit(0 if outcome.report.ok and not outcome.report.errors else 1)


def _pairs(given: list[str]) -> dict[str, str]:
    """`["dh=a"]` as `{"dh": "a"}`."""
    pairs: dict[str, str] = {}
    for text in given:
        hand, _, node = (part.strip() for part in text.partition("="))
        if not hand or not node:
            raise SettingsError(f"--pair {text}: expected NAME=TENSOR, such as --pair dh=a")
        if pairs.setdefault(hand, node) != node:
            raise SettingsError(
                f"--pair {hand}: given as the gradient of {pairs[hand]} and of {node}"
            )
    return pairs


def _print(report: "Report") -> None:
    """On a terminal in its colours and width, elsewhere plain and 100 columns wide."""
    from rich.console import Console

    from handgrad.checker.report import text

    console = Console(highlight=False)
    marks = text.MARKS if console.encoding.startswith("utf") else text.ASCII_MARKS
    if console.is_terminal:
        console.print(text.render(report, marks))
    else:
        print(text.to_text(report, marks=marks), end="")
