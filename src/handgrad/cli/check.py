"""`handgrad check`: the gradients of a notebook or a script, and which lines are to blame."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.cli.output import hint_level, print_report
from handgrad.cli.targets import Targets
from handgrad.errors import CheckError, SettingsError

if TYPE_CHECKING:
    from handgrad.checker.report.file_result import FileResult


def check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Notebooks (.ipynb) and scripts (.py)."),
    ],
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TENSOR", help="NAME holds the gradient of TENSOR; may be repeated."
        ),
    ] = None,
    hint: Annotated[
        str,
        typer.Option(
            metavar="where|what|fix",
            help="Say where mistakes are, also what they are, or also what to type.",
        ),
    ] = "fix",
    timeout: Annotated[float, typer.Option(help="Seconds that a file may run.")] = 600.0,
    max_steps: Annotated[
        int | None, typer.Option(metavar="N", help="Record N steps of a training loop, not 2.")
    ] = None,
    show_output: Annotated[
        bool, typer.Option("--show-output", help="Show what the file prints, too.")
    ] = False,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the report as JSON.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Write the report as a page; of several files, a folder.",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a table for a spreadsheet, one row a file."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "-j",
            "--jobs",
            metavar="N",
            help="Check N files at a time.",
            show_default="as many as processors, 8 at most",
        ),
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Of several files, print each one's report, too.")
    ] = False,
) -> None:
    """Run each FILE in a process of its own and judge each gradient by hand in it.

    It runs the file's code as Python would: check only what you would run.

    Exit code 1: a gradient is wrong, something raised, or one of several files was not graded.

    Exit code 2: there is nothing to check.
    """
    from handgrad.checker.run.many import each_once, required_jobs
    from handgrad.cli.several import ManyFiles

    named = each_once(files)
    level, targets, pairs = hint_level(hint), Targets(json, html, csv), _pairs(pair or [])
    targets.require(several=len(named) > 1)
    required_jobs(1 if jobs is None else jobs)
    if len(named) > 1:
        several = ManyFiles(named, level, targets, show_output, details)
        raise typer.Exit(several.check(pairs, timeout, max_steps, jobs))
    checked = _checked(files[0], targets, pairs, timeout, max_steps).hinted(level)
    assert checked.report is not None
    if show_output:
        print(checked.output, end="", file=sys.stderr)
    targets.write([checked], several=False)
    if json != "-":
        print_report(checked.report)
    raise typer.Exit(0 if checked.report.ok and not checked.report.errors else 1)


def _checked(
    file: Path,
    targets: Targets,
    pairs: dict[str, str],
    timeout: float,
    max_steps: int | None,
) -> "FileResult":
    """The one file, checked. Where it is refused, the sheet says so before the error does."""
    from handgrad.checker.run.many import failed, graded
    from handgrad.checker.run.run import check_file

    begin = time.monotonic()
    try:
        outcome = check_file(file, pairs, timeout, max_steps)
    except CheckError as error:
        targets.write_sheet([failed(0, file, time.monotonic() - begin, error)])
        raise
    return graded(0, file, time.monotonic() - begin, outcome.report, outcome.output)


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
