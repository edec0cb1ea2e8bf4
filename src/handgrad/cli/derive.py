"""`handgrad derive`: the backward pass of a notebook's or a script's forward pass, verified."""

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
        bool, typer.Option("--fused", help="Undo known blocks in closed form.")
    ] = False,
    loss: Annotated[
        str | None, typer.Option(metavar="NAME", help="The loss, where there are several.")
    ] = None,
    node: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the lines of this tensor's gradient.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the lines there.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that the file may run.")] = 600.0,
    show_output: Annotated[
        bool, typer.Option("--show-output", help="Show what the file prints, too.")
    ] = False,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the result as JSON.")
    ] = None,
) -> None:
    """Run FILE in a process of its own and write the backward pass of its forward pass.

    Each line is run and judged as handgrad check judges. The file itself is not changed.

    Exit code 1: something could not be derived or verified, or something in the file raised.

    Exit code 2: there is nothing to derive.
    """
    from handgrad.checker.derive_file import derive_file
    from handgrad.cli.output import check_target

    check_target(json)
    _require_target(out, json)
    found = derive_file(file, fused, loss, timeout)
    derived = found.derivation
    if show_output:
        print(found.output, end="", file=sys.stderr)
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
    """Refuse before anything runs what could not be written, or would be lost, at the end."""
    if json is not None and json.lower().endswith(SOURCES):
        raise SettingsError(
            f"--json {json}: that is a file to derive; name the one to write, "
            f"such as --json derived.json"
        )
    if out is None:
        return
    if out == Path("-"):
        raise SettingsError("-o -: name a file; without -o the lines go to standard output")
    if json is not None and os.path.abspath(json) == os.path.abspath(out):
        raise SettingsError(f"--json {json}: that is where -o goes, too; name another file")
    if out.exists():
        raise SettingsError(f"{out} exists already; name another file with -o, or remove it")
    if not out.parent.is_dir():
        raise RunError(f"cannot write {out}: no folder {out.parent}; name another file with -o")


def only(derived: "Derivation", node: str) -> "Derivation":
    """Return what concerns one gradient, by its tensor's name or its own."""
    from dataclasses import replace

    kept = tuple(g for g in derived.gradients if node in (g.node, g.name))
    if not kept:
        names = ", ".join(g.node for g in derived.gradients)
        raise CheckError(f"{derived.file}: no gradient of {node} was derived; there are: {names}")
    names_kept = {g.name for g in kept}
    lines: list[str] = []
    said: list[str] = []  # the comments above the lines that come next
    begun = False
    for line in derived.lines:
        if line.startswith("#"):
            said = [line] if begun else [*said, line]
            begun = False
            continue
        begun = True
        if target(line) in names_kept:
            lines += [*said, line]
            said = []
    return replace(derived, lines=tuple(lines), gradients=kept)


def target(line: str) -> str | None:
    """Return the name that a derived line sets or changes."""
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
    """The lines, unless they went to a file; what could not be had; the counts."""
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
