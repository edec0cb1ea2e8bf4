"""Check programs as `handgrad check FILES` does, and judge the reports."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.strangers.table import KINDS, Fault, Program, replaced
from benchmarks.strangers.truth import same, scaled
from handgrad.checker.records import Row
from handgrad.checker.report.file_result import FileResult
from handgrad.checker.report.report import Report
from handgrad.checker.run.many import check_files

TIMEOUT = 60.0  # seconds: a program takes one or two


@dataclass(frozen=True)
class Case:
    """A program, with one of its faults or as it is."""

    program: Program
    fault: Fault | None

    @property
    def source(self) -> str:
        return self.program.planted(self.fault) if self.fault else self.program.source


@dataclass(frozen=True)
class Judged:
    """What the report on one case is worth."""

    case: Case
    failed: str  # "crashed", "refused" or "timeout"; "" if there is a report
    named: bool  # the line of the fault is blamed, and no other gradient
    reason: bool
    line: bool  # the offered line makes the program's gradients right
    says: tuple[str, ...]  # each line that is blamed, or why there is no report


def cases(programs: Sequence[Program]) -> list[Case]:
    """Return each program, followed by each of its faults."""
    return [Case(p, fault) for p in programs for fault in (None, *p.faults)]


def judged(given: Sequence[Case], jobs: int) -> Iterator[Judged]:
    """Check all cases, `jobs` at a time, and yield what each report is worth, in order."""
    with tempfile.TemporaryDirectory(prefix="handgrad-strangers-") as folder:
        files = []
        for number, case in enumerate(given):
            files.append(Path(folder) / f"{case.program.name}_{number}.py")
            files[-1].write_text(case.source)
        done: dict[int, FileResult] = {}
        turn = 0
        for result in check_files(files, timeout=TIMEOUT, jobs=jobs):
            done[result.number] = result
            while turn in done:
                yield _judge(given[turn], done.pop(turn))
                turn += 1


def _judge(case: Case, result: FileResult) -> Judged:
    if result.report is None:
        return Judged(case, result.status, False, False, False, (result.message or "",))
    roots = [row for row in result.report.rows if _is_root(row)]
    says = tuple(f"line {sorted(_lines(r))} {r.hand} {r.cause}: {r.message or r.verdict}"
                 f" | {r.fix}" for r in roots)  # fmt: skip
    if result.report.errors and not roots:
        says = tuple(f"line {e.line}: {e.error}" for e in result.report.errors)
        roots_lines = {e.line for e in result.report.errors if e.line}
    else:
        roots_lines = set().union(*map(_lines, roots)) if roots else set()
    if case.fault is None:
        silent = not roots_lines and not any("not graded" in n.message for n in result.report.notes)
        silent = silent and all(row.verdict != "wrong" for row in result.report.rows)
        return Judged(case, "", silent, silent, silent, says)
    own = case.program.lines_to_blame(case.fault)
    blamed = [_lines(row) for row in roots] or [roots_lines]
    named = bool(own & roots_lines) and all(own & lines for lines in blamed)
    if not roots and _is_noted(case, result.report, own):
        return Judged(case, "", True, True, True, says)
    hits = [row for row in roots if own & _lines(row)]
    reason = named and any(row.cause in case.fault.causes for row in hits)
    return Judged(case, "", named, reason, named and any(_mends(case, r) for r in hits), says)


def _is_noted(case: Case, report: Report, own: set[int]) -> bool:
    """Return whether the report has a note on the fault, where nobody is to blame.

    Where the loss is only printed, a factor that all gradients have changes the learning rate. An
    update is no gradient.
    """
    causes = case.fault.causes if case.fault is not None else ()
    noted = {n.code for n in report.notes if n.place and n.place.line in own}
    if noted.intersection(causes).intersection(KINDS["note"]):
        return True
    said = any(n.code == "HG222" and n.place and n.place.line in own for n in report.notes)
    known = case.fault is not None and "HG222" in case.fault.causes
    return said and (known or scaled(case.program, case.source))


def _is_root(row: Row) -> bool:
    return row.blame == "root" or (row.verdict in ("wrong", "shape") and row.blame != "inherited")


def _lines(row: Row) -> set[int]:
    return {place.line for place in row.places or (row.place,) if place}


def _mends(case: Case, row: Row) -> bool:
    """Return whether the program computes the right gradients with the line that is offered."""
    at = row.fix_at or row.place
    if row.fix is None or at is None:
        return False
    return same(case.program, replaced(case.source, at.line, row.fix, row.fix_adds))
