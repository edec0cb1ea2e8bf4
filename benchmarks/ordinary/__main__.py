"""Time check_function, gradcheck and opcheck on six ordinary functions, right and wrong.

    python -m benchmarks.ordinary [--write docs/pytest.md]

CPU seconds of one thread, the median of three runs. The exit code is 1 if check_function
misjudges a function.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import torch

from benchmarks.ordinary.cases import Case, cases
from benchmarks.ordinary.tools import FOUND, TOOLS
from benchmarks.pages import write_between

BEGIN, END = "<!-- python -m benchmarks.ordinary -->", "<!-- end -->"
RUNS = 3
Result = tuple[str | None, float]
"""What a tool finds (see tools), and the CPU seconds it takes."""


def main() -> int:
    """Print the table, and write it between its marks in a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="rewrite the table in this page")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [(case, {tool: measured(case, tool) for tool in TOOLS}) for case in cases()]
    text = table(rows)
    print(text)
    if arguments.write:
        write_between(arguments.write, BEGIN, END, text)
    return int(any(bool(row["check_function"][0]) != bool(case.wrong) for case, row in rows))


def measured(case: Case, tool: str) -> Result:
    """Return what a tool finds in a function, and the median of its CPU seconds."""
    seconds = []
    for _ in range(RUNS):
        torch.manual_seed(0)
        start = time.process_time()
        findings = TOOLS[tool](case)
        seconds.append(time.process_time() - start)
    return findings, median(seconds)


def table(rows: list[tuple[Case, dict[str, Result]]]) -> str:
    """Return a row for each function, and one for the six right ones together."""
    lines = [f"| | {' | '.join(TOOLS)} |", "|---" * (len(TOOLS) + 1) + "|"]
    for case, row in rows:
        cells = [cell(case, *row[tool]) for tool in TOOLS]
        lines.append(f"| {case.title} | {' | '.join(cells)} |")
    for name, wrong in (("six right", False), ("six wrong", True)):
        sums = [
            sum(row[tool][1] for case, row in rows if bool(case.wrong) == wrong) for tool in TOOLS
        ]
        lines.append(f"| {name} together | {' | '.join(f'{s:.1f} s' for s in sums)} |")
    return "\n".join(lines)


def cell(case: Case, findings: str | None, seconds: float) -> str:
    """Return a verdict with its findings, and its seconds."""
    if findings is None:
        return "not applicable"
    if case.wrong:
        verdict = f"found{_codes(findings)}" if findings else "not found"
    else:
        verdict = f"fails{_codes(findings)}" if findings else "passes"
    return f"{verdict}, {seconds:.2f} s"


def _codes(findings: str) -> str:
    return "" if findings == FOUND else f" ({findings})"


if __name__ == "__main__":
    sys.exit(main())
