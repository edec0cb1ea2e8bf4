"""`handgrad derive`: derive and verify the backward pass of a notebook or a script."""

import ast
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.cli.targets import SOURCES
from handgrad.errors import CheckError, RunError, SettingsError

if TYPE_CHECKING:
    from handgrad.checker.write.derive.records import Derivation


def derive(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A notebook (.ipynb) or a script (.py).")
    ],
    fused: Annotated[
        bool,
        typer.Option("--fused", help="Use the closed form of known blocks, such as batchnorm."),
    ] = False,
    loss: Annotated[
        str | None, typer.Option(metavar="NAME", help="The loss to derive, if there are several.")
    ] = None,
    node: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only show the lines of this tensor's gradient."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the lines to FILE.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Time limit for the file, in seconds.")] = 600.0,
    show_output: Annotated[
        bool, typer.Option("--show-output", help="Also show what the file prints.")
    ] = False,
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Write the result as JSON; - is standard output."),
    ] = None,
) -> None:
    """Run FILE in its own process and derive the backward pass of its loss, line by line.

    Each line is run and graded as by handgrad check. FILE is not changed.

    Exit code 0: every gradient is derived and correct.

    Exit code 1: a gradient could not be derived or verified, or the file raised an error.

    Exit code 2: there is nothing to derive, or an option is invalid.
    """
    from handgrad.checker.derive.file import derive_file
    from handgrad.cli.output import check_target

    check_target(json)
    _require_target(out, json)
    result = derive_file(file, fused, loss, timeout)
    derived = result.derivation
    if show_output:
        print(result.output, end="", file=sys.stderr)
    if node is not None:
        derived = only(derived, node)
    if json is not None:
        from handgrad.files import report_json

        report_json(json, derived.to_json())
    if out is not None:
        from handgrad.files import write_atomic

        write_atomic(out, str(derived).encode())
    if json != "-":
        _print(derived, out)
    raise typer.Exit(0 if derived.ok and not derived.errors else 1)


def _require_target(out: Path | None, json: str | None) -> None:
    """Raise an error before the file runs if the results cannot be written."""
    if json is not None and json.lower().endswith(SOURCES):
        raise SettingsError(
            f"--json {json}: this is a file to derive; name the file to write, "
            f"such as --json derived.json"
        )
    if out is None:
        return
    if out == Path("-"):
        raise SettingsError("-o -: name a file; without -o the lines go to standard output")
    if json is not None and os.path.abspath(json) == os.path.abspath(out):
        raise SettingsError(f"--json {json}: -o writes to the same file; name another one")
    if out.exists():
        raise SettingsError(f"{out} exists already; name another file with -o, or remove it")
    if not out.parent.is_dir():
        raise RunError(
            f"cannot write {out}: {out.parent} is not a folder; name another file with -o"
        )


def only(derived: "Derivation", node: str) -> "Derivation":
    """Return the part of a derivation on one gradient, by its name or its tensor's."""
    from dataclasses import replace

    kept = tuple(g for g in derived.gradients if node in (g.node, g.name))
    if not kept:
        names = ", ".join(g.node for g in derived.gradients)
        raise CheckError(f"{derived.file}: no gradient of {node} was derived; known: {names}")
    names_kept = {g.name for g in kept}
    lines: list[str] = []
    comments: list[str] = []  # above the next lines
    in_code = False
    for line in derived.lines:
        if line.startswith("#"):
            comments = [line] if in_code else [*comments, line]
            in_code = False
            continue
        in_code = True
        if target(line) in names_kept:
            lines += [*comments, line]
            comments = []
    return replace(derived, lines=tuple(lines), gradients=kept)


def target(line: str) -> str | None:
    """Return the name that a derived line assigns or changes."""
    node = ast.parse(line).body[0]
    if isinstance(node, ast.Assign | ast.AugAssign):
        part: ast.expr = node.targets[0] if isinstance(node, ast.Assign) else node.target
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        part = node.value.func
    else:
        return None
    while isinstance(part, ast.Attribute | ast.Subscript | ast.Call):
        part = part.func if isinstance(part, ast.Call) else part.value
    return part.id if isinstance(part, ast.Name) else None


def _print(derived: "Derivation", out: Path | None) -> None:
    """Print the lines unless they are in a file, then what could not be derived, and the counts."""
    from handgrad.checker.records import Place
    from handgrad.checker.report import words
    from handgrad.text import printable

    if out is None:
        print("\n".join(printable(line) for line in str(derived).rstrip("\n").split("\n")))
        print()
    for step in derived.missing:
        where = "" if step.line is None else f"{words.place(Place(step.line, step.cell))}: "
        print(printable(f"{where}{step}"))
    for error in derived.errors:
        print(printable(f"{words.error_place(error) or 'the file'}: {error.error}"))
    for gradient in derived.gradients:
        if not gradient.right:
            print(gradient)
    print(derived.summary())
