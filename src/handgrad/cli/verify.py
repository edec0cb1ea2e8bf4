"""`handgrad verify`: every line of our own backward passes, against autograd and float64."""

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from handgrad.verify import Judged

Rows = dict[str, list["Judged"]]
"""By dtype."""


def verify(
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, float64, or both.")] = "both",
    rows: Annotated[bool, typer.Option("--rows", help="Print every gradient.")] = False,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the result as JSON.")
    ] = None,
) -> None:
    """Hold our hand-written layers and models to autograd and to float64.

    Exit code 1 if any gradient is wrong.
    """
    found = _run(device, dtype)
    every = [row for judged in found.values() for row in judged]
    ok = all(row.ok for row in every)
    if json is not None:
        from handgrad.files import report_json

        report_json(json, _as_json(found, ok))
    if json != "-":
        _print(found, rows)
    raise typer.Exit(0 if ok else 1)


def _run(device: str, dtype: str) -> Rows:
    from handgrad.engine.device import require_device
    from handgrad.errors import SettingsError
    from handgrad.verify import DTYPES, verify_layers, verify_models

    if dtype not in (*DTYPES, "both"):
        raise SettingsError(f"--dtype must be {', '.join(DTYPES)} or both, got {dtype!r}")
    require_device(device)
    chosen = DTYPES if dtype == "both" else {dtype: DTYPES[dtype]}
    return {
        name: [*verify_layers(kind, device), *verify_models(kind, device)]
        for name, kind in chosen.items()
    }


def _as_json(found: Rows, ok: bool) -> dict[str, Any]:
    from handgrad.files import finite_or_none

    return {
        "ok": ok,
        "rows": [
            {
                "model": row.model,
                "case": row.case,
                "dtype": dtype,
                "engine": row.engine,
                "node": row.node,
                "verdict": row.verdict,
                "ratio": finite_or_none(row.ratio),
            }
            for dtype, judged in found.items()
            for row in judged
        ],
    }


def _print(found: Rows, every_row: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True)
    table = Table(box=SIMPLE_HEAD)
    for title in ("", "engine", *(title for dtype in found for title in (dtype, "R")), "wrong"):
        numbers = "left" if title in ("", "engine") else "right"
        table.add_column(title, justify=numbers, no_wrap=True)  # type: ignore[arg-type]
    tables = [_groups(judged) for judged in found.values()]
    for subject, engine in tables[0]:
        groups = [groups[subject, engine] for groups in tables]
        wrong = sum(not row.ok for group in groups for row in group)
        cells = [cell for group in groups for cell in _cells(group)]
        style = "bold red" if wrong else None
        table.add_row(subject, engine, *cells, str(wrong), style=style)
    console.print(table, markup=False)
    console.print("How many are bit-exact with autograd, and the largest R: the error in units of")
    console.print("autograd's own, or of the rounding noise there. Right code stays below 10.\n")
    for line in [*_details(found, every_row), *_summary(found)]:
        console.print(line, markup=False, highlight=False)


def _cells(group: "list[Judged]") -> tuple[str, str]:
    """How many are exact, of how many, and the largest R."""
    exact = sum(row.verdict == "exact" for row in group)
    largest = max((row.ratio for row in group if row.ratio is not None), default=0.0)
    return f"{exact} of {len(group)}", f"{largest:.2g}"


def _groups(judged: "list[Judged]") -> "dict[tuple[str, str], list[Judged]]":
    """A layer's cases together, a model's apart."""
    from handgrad.models import MODELS

    groups: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for row in judged:
        subject = f"{row.model}: {row.case}" if row.model in MODELS else row.model
        groups[subject, row.engine].append(row)
    return groups


def _details(found: Rows, every_row: bool) -> list[str]:
    """A line for every gradient that is wrong, or for all."""
    return [
        f"{row.verdict:8s}  R {row.ratio if row.ratio is not None else math.nan:9.3g}  "
        f"{row.model}: {row.case}, {dtype}, {row.engine}: {row.node}{_at(row)}"
        for dtype, judged in found.items()
        for row in judged
        if every_row or not row.ok
    ]


def _at(row: "Judged") -> str:
    from handgrad.layers import LAYERS
    from handgrad.verify.lines import line_in_model, line_of
    from handgrad.verify.models import MODEL_CASES

    if row.engine != "chunked":
        return ""
    if row.model in LAYERS:
        line = line_of(row.model, row.node)
    else:
        line = line_in_model(MODEL_CASES[row.case][0], row.node)
    return f"  ({line})" if line else ""


def _summary(found: Rows) -> list[str]:
    """What is bit-exact at the lecture's sizes, which line is not and that this is rounding."""
    from handgrad.verify.models import LECTURE

    lines = []
    every = [row for judged in found.values() for row in judged]
    lecture = [
        row for row in found.get("float32", []) if (row.case, row.engine) == (LECTURE, "chunked")
    ]
    lecture = [row for row in lecture if row.model == "mlp"]
    if lecture:
        exact = sum(row.verdict == "exact" for row in lecture)
        lines.append(
            f"{exact} of {len(lecture)} bit-exact with autograd at the lecture's sizes, chunked."
        )
        lines += [
            f"  {row.node} differs by rounding alone, R {row.ratio:.2g}{_at(row)}"
            for row in lecture
            if row.verdict == "rounding"
        ]
    wrong = sum(not row.ok for row in every)
    lines.append(
        f"{wrong} of {len(every)} gradients are wrong."
        if wrong
        else f"All {len(every)} gradients are right."
    )
    return lines
