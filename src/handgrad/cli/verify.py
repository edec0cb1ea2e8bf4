"""`handgrad verify`: every line of our backward passes, against autograd and float64."""

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from handgrad.verify import JudgedGradient

Rows = dict[str, list["JudgedGradient"]]
"""By dtype."""


def verify(
    device: Annotated[str, typer.Option(help="Device: cpu or cuda.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="Data type: float32, float64 or both.")] = "both",
    rows: Annotated[bool, typer.Option("--rows", help="Print every gradient.")] = False,
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Write the result as JSON; - is standard output."),
    ] = None,
) -> None:
    """Verify handgrad's own layers and models against autograd and float64.

    The exit code is 1 if any gradient is wrong.
    """
    results = _run(device, dtype)
    every = [row for judged in results.values() for row in judged]
    ok = all(row.ok for row in every)
    if json is not None:
        from handgrad.files import report_json

        report_json(json, _as_json(results, ok))
    if json != "-":
        _print(results, rows)
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


def _as_json(results: Rows, ok: bool) -> dict[str, Any]:
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
            for dtype, judged in results.items()
            for row in judged
        ],
    }


def _print(results: Rows, every_row: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True)
    table = Table(box=SIMPLE_HEAD)
    for title in ("", "engine", *(title for dtype in results for title in (dtype, "R")), "wrong"):
        numbers = "left" if title in ("", "engine") else "right"
        table.add_column(title, justify=numbers, no_wrap=True)  # type: ignore[arg-type]
    tables = [_groups(judged) for judged in results.values()]
    for subject, engine in tables[0]:
        groups = [groups[subject, engine] for groups in tables]
        wrong = sum(not row.ok for group in groups for row in group)
        cells = [cell for group in groups for cell in _cells(group)]
        style = "bold red" if wrong else None
        table.add_row(subject, engine, *cells, str(wrong), style=style)
    console.print(table, markup=False)
    console.print(
        "Columns: how many gradients are bit-exact with autograd, and the largest R, the error in"
    )
    console.print(
        "units of autograd's error or of the rounding noise. Correct code stays below 10.\n"
    )
    for line in [*_details(results, every_row), *_summary(results)]:
        console.print(line, markup=False, highlight=False)


def _cells(group: "list[JudgedGradient]") -> tuple[str, str]:
    """Return how many of the gradients are exact, and the largest R."""
    exact = sum(row.verdict == "exact" for row in group)
    largest = max((row.ratio for row in group if row.ratio is not None), default=0.0)
    return f"{exact} of {len(group)}", f"{largest:.2g}"


def _groups(judged: "list[JudgedGradient]") -> "dict[tuple[str, str], list[JudgedGradient]]":
    """Group gradients by layer and engine; each case of a model is a group."""
    from handgrad.models import MODELS

    groups: dict[tuple[str, str], list[JudgedGradient]] = defaultdict(list)
    for row in judged:
        subject = f"{row.model}: {row.case}" if row.model in MODELS else row.model
        groups[subject, row.engine].append(row)
    return groups


def _details(results: Rows, every_row: bool) -> list[str]:
    """Return a line for every wrong gradient, or for all."""
    return [
        f"{row.verdict:8s}  R {row.ratio if row.ratio is not None else math.nan:9.3g}  "
        f"{row.model}: {row.case}, {dtype}, {row.engine}: {row.node}{_at(row)}"
        for dtype, judged in results.items()
        for row in judged
        if every_row or not row.ok
    ]


def _at(row: "JudgedGradient") -> str:
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


def _summary(results: Rows) -> list[str]:
    """Return what is bit-exact at the lecture's sizes, which lines round, and the result."""
    from handgrad.verify.models import LECTURE

    lines = []
    every = [row for judged in results.values() for row in judged]
    lecture = [
        row for row in results.get("float32", []) if (row.case, row.engine) == (LECTURE, "chunked")
    ]
    lecture = [row for row in lecture if row.model == "mlp"]
    if lecture:
        exact = sum(row.verdict == "exact" for row in lecture)
        lines.append(
            f"{exact} of {len(lecture)} gradients are bit-exact with autograd "
            "(chunked, lecture's sizes)."
        )
        lines += [
            f"  {row.node} differs only by rounding, R {row.ratio:.2g}{_at(row)}"
            for row in lecture
            if row.verdict == "rounding"
        ]
    wrong = sum(not row.ok for row in every)
    lines.append(
        f"{wrong} of {len(every)} gradients are wrong."
        if wrong
        else f"All {len(every)} gradients are correct."
    )
    return lines
