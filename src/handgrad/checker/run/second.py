"""A second opinion: right gradients are judged again in a process that ran no code of the file's.

The process that ran the file sends the recorded operations and the gradients by hand as plain data.
From these a clean process computes the gradients anew. So a verdict is not taken at the word of a
process in which a stranger's code ran.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from handgrad.checker.records import Row, Seconded
from handgrad.checker.report.report import Report
from handgrad.checker.run.cells import Source
from handgrad.checker.run.messages import Message
from handgrad.checker.run.run import run_source
from handgrad.errors import CheckError

SECOND = "handgrad.checker.run.second_task:SecondTask"
NOWHERE = Source("the second process", Path("/handgrad.py"), "script", ())
"""It runs no cell, in a folder without modules."""


def seconded(report: Report, answer: Message, timeout: float, **settings: Any) -> Report:
    """Return the report with how many of its right gradients another process has confirmed."""
    right = [row for row in report.rows if row.verdict in ("exact", "rounding")]
    if not right:
        return replace(report, seconded=None)
    evidence = answer.get("evidence")
    judged: Mapping[tuple[str, str], bool] = {}
    if isinstance(evidence, list) and evidence:
        try:
            found, _ = run_source(NOWHERE, SECOND, timeout, evidence=evidence, **settings)
            judged = _judged(found.get("judged"))
        except CheckError:
            judged = {}
    return replace(report, seconded=_counted(right, judged))


def _judged(found: object) -> dict[tuple[str, str], bool]:
    judged: dict[tuple[str, str], bool] = {}
    for entry in found if isinstance(found, list) else ():
        match entry:
            case [str(hand), str(node), bool(is_right)]:
                judged[hand, node] = judged.get((hand, node), True) and is_right
    return judged


def _counted(right: Sequence[Row], judged: Mapping[tuple[str, str], bool]) -> Seconded:
    verdicts = [judged.get((row.hand or "", row.node)) for row in right]
    return Seconded(len(right), verdicts.count(True), verdicts.count(False))
