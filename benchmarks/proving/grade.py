"""Check a program, and list what is wrong with the report."""

import ast
from collections.abc import Sequence

import torch

from benchmarks.proving.generate import Fault
from benchmarks.proving.program import Sizes, settings
from handgrad.checker.records import Row
from handgrad.checker.report.report import Report
from handgrad.checker.session import Session

RIGHT = ("exact", "rounding")


def check(source: str, names: dict[str, object]) -> Report:
    """Run `source` as `handgrad check` would, in this process, and return the report."""
    session = Session()
    tree = session.transform(ast.parse(source), None, source)
    names = {**names, "__handgrad__": session.hook}
    with session.recording():
        exec(compile(tree, "program.py", "exec"), names)
    return session.finish("program.py")


def check_program(source: str, sizes: Sizes, dtype: torch.dtype = torch.float32) -> Report:
    """Return the report on program.py's program, with or without faults."""
    return check(source, settings(sizes, dtype))


def blamed(report: Report) -> dict[str, set[int]]:
    """Return what the report blames: each root gradient, with the lines that are named for it.

    A wrong shape that its own line causes has a verdict of its own, and counts. So does a value
    that is right only because two mistakes cancel, or by luck.
    """
    roots = [
        row
        for row in report.rows
        if row.blame == "root" or (row.verdict in ("wrong", "shape") and row.blame != "inherited")
    ]
    return {str(r.hand): {p.line for p in r.places or (r.place,) if p} for r in roots}


def complaints(report: Report, faults: Sequence[Fault], effect: dict[str, str]) -> list[str]:
    """Return one line for each error in the report on a program with `faults`; empty if correct.

    `effect` is the effect of all faults together on each gradient (`generate.effects`).
    """
    expected = {fault.root.hand for fault in faults}
    roots = blamed(report)
    found = [f"{hand}: not blamed" for hand in expected if hand not in roots]
    found += [f"{hand}: blamed, and is right" for hand in roots if hand not in expected]
    for hand in expected & set(roots):
        own = [fault.root.lines for fault in faults if fault.root.hand == hand]
        if any(not lines & roots[hand] for lines in own) or roots[hand] - set().union(*own):
            right = " and ".join(" or ".join(map(str, sorted(lines))) for lines in own)
            found.append(f"{hand}: line {sorted(roots[hand])} blamed, not {right}")
    rows = {str(row.hand): row for row in report.rows}
    for hand in effect:
        if hand not in rows:
            found.append(f"{hand}: not in the report")
        elif hand not in expected and hand not in roots:
            found += _inherits(rows[hand], effect[hand], expected)
    return found


def alarms(report: Report, hands: Sequence[str]) -> list[str]:
    """Return one line for each false alarm on a correct program, and for each ungraded gradient."""
    graded = {row.hand for row in report.rows}
    found = [f"{hand}: not graded" for hand in hands if hand not in graded]
    against = [r for r in report.rows if r.verdict in ("wrong", "shape") or r.blame is not None]
    return found + [f"{row.hand}: {row.verdict}, R {row.ratio}, {row.message}" for row in against]


def _inherits(row: Row, effect: str, roots: set[str]) -> list[str]:
    """Check a gradient whose own line is correct: it may only inherit, and only from the roots."""
    right = row.verdict in RIGHT
    if effect == "same" and not right:
        return [f"{row.hand}: {row.verdict}, and is right"]
    if effect in ("clear", "shape") and right:
        return [f"{row.hand}: {row.verdict}, and is wrong"]
    if not right and (not row.blamed_on or not set(row.blamed_on) <= roots):
        return [f"{row.hand}: inherits from {', '.join(row.blamed_on) or 'nothing'}"]
    return []
