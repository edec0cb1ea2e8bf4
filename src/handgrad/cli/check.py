"""`handgrad check`: grade the gradients in notebooks and scripts."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handgrad.cli.arguments import script_arguments
from handgrad.cli.output import hint_level, print_report
from handgrad.cli.targets import Targets
from handgrad.errors import CheckError, SettingsError

if TYPE_CHECKING:
    from handgrad.checker.report.file_result import FileResult


def check(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Notebooks (.ipynb) and scripts (.py) to check."),
    ] = None,
    module: Annotated[
        str | None,
        typer.Option("-m", metavar="MODULE", help="Check a module, run as python -m does."),
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TENSOR",
            help="Declare that NAME is the gradient of TENSOR. May be repeated.",
        ),
    ] = None,
    hint: Annotated[
        str,
        typer.Option(
            metavar="where|what|fix",
            help="Show where each mistake is, also what it is, or also how to fix it.",
        ),
    ] = "fix",
    timeout: Annotated[float, typer.Option(help="Time limit for each file, in seconds.")] = 600.0,
    max_steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Number of steps of a training loop to record.", show_default="2"
        ),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="Run the whole file, also once all gradients by hand are recorded.",
        ),
    ] = False,
    show_output: Annotated[
        bool, typer.Option("--show-output", help="Also show what the file prints.")
    ] = False,
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Write the report as JSON; - is standard output."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Write the report as an HTML page, or for several files a folder of pages.",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the results as a table for a spreadsheet, one row per file."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "-j",
            "--jobs",
            metavar="N",
            help="Number of files to check at the same time.",
            show_default="number of CPUs, at most 8",
        ),
    ] = None,
    details: Annotated[
        bool,
        typer.Option("--details", help="For several files, also print the report of each."),
    ] = False,
    exercise: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Compare with the exercise that handgrad exercise has written to FILE.",
        ),
    ] = None,
    sandbox: Annotated[
        bool | None,
        typer.Option(
            "--sandbox/--no-sandbox",
            help="Run each file without network, and with a copy of its folder.",
            show_default="for several files, where bubblewrap is installed",
        ),
    ] = None,
) -> None:
    """Run each FILE in its own process and check every gradient that it computes by hand.

    What follows -- is passed on to the scripts: handgrad check script.py -- --n 8

    The code runs as Python would run it, with your permissions: check only files that you would run
    yourself, unless with --sandbox. Several files run in sandboxes where bubblewrap is installed.

    Exit code 0: every gradient is correct.

    Exit code 1: a gradient is wrong, the file raised an error, or one of several files was not
    graded.

    Exit code 2: there is nothing to check, or an option is invalid.
    """
    from handgrad.checker.run.many import each_once, required_jobs
    from handgrad.checker.run.sandbox import required
    from handgrad.cli.several import ManyFiles

    own = {"whole": whole, "arguments": script_arguments(context), "exercise": exercise}
    named = each_once(files or [])
    _require_one_kind(named, module)
    if sandbox:
        required()
    level, targets, pairs = hint_level(hint), Targets(json, html, csv), _pairs(pair or [])
    targets.require(several=len(named) > 1)
    required_jobs(1 if jobs is None else jobs)
    if len(named) > 1:
        many = ManyFiles(named, level, targets, show_output, details)
        raise typer.Exit(many.check(pairs, timeout, max_steps, jobs, sandbox, **own))
    own["sandbox"] = bool(sandbox)
    result = _check_one(
        named[0] if named else f"-m {module}", targets, pairs, timeout, max_steps, own, module
    ).hinted(level)
    assert result.report is not None
    if show_output:
        print(result.output, end="", file=sys.stderr)
    targets.write([result], several=False)
    if json != "-":
        print_report(result.report)
    raise typer.Exit(0 if result.report.ok and not result.report.errors else 1)


def _require_one_kind(files: Sequence[str | Path], module: str | None) -> None:
    """Raise SettingsError unless there are files or a module, and not both."""
    if module is None and not files:
        raise SettingsError("Missing argument 'FILE': see handgrad check --help")
    if module is not None and files:
        raise SettingsError(
            f"-m {module}: checks one module and no file; arguments of its own follow --"
        )


def _check_one(
    file: str | Path,
    targets: Targets,
    pairs: dict[str, str],
    timeout: float,
    max_steps: int | None,
    own: dict[str, Any],
    module: str | None,
) -> "FileResult":
    """Check a single file. If it is refused, write the CSV before raising the error."""
    from handgrad.checker.run.many import failed, graded
    from handgrad.checker.run.run import check_file
    from handgrad.checker.run.source import Module

    source = file if module is None else Module(module)
    begin = time.monotonic()
    try:
        outcome = check_file(source, pairs, timeout, max_steps, **own)
    except CheckError as error:
        targets.write_sheet([failed(0, file, time.monotonic() - begin, error)])
        raise
    return graded(0, file, time.monotonic() - begin, outcome.report, outcome.output)


def _pairs(options: list[str]) -> dict[str, str]:
    """Return `["dh=a"]` as `{"dh": "a"}`."""
    pairs: dict[str, str] = {}
    for text in options:
        hand, _, node = (part.strip() for part in text.partition("="))
        if not hand or not node:
            raise SettingsError(f"--pair {text}: expected NAME=TENSOR, such as --pair dh=a")
        if pairs.setdefault(hand, node) != node:
            raise SettingsError(
                f"--pair {hand}: declared as the gradient of both {pairs[hand]} and {node}"
            )
    return pairs
