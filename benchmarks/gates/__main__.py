"""Judge forty kernels, twenty of them wrong, by seven rules.

    python -m benchmarks.gates [--write docs/pytest.md]

The exit code is 1 if handgrad accepts a wrong kernel or refuses a right one.
"""

import argparse
import sys
from pathlib import Path

import torch

from benchmarks.gates.kernels import Kernel, kernels
from benchmarks.gates.rules import RULES, judged
from benchmarks.pages import write_between

BEGIN, END = "<!-- python -m benchmarks.gates -->", "<!-- end -->"
Verdicts = dict[str, list[tuple[Kernel, bool, float]]]


def main() -> int:
    """Print the table, and write it between its marks in a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="rewrite the table in this page")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    verdicts = {rule: [(k, *judged(k, rule)) for k in kernels()] for rule in RULES}
    text = table(verdicts)
    print(text)
    if arguments.write:
        write_between(arguments.write, BEGIN, END, text)
    both = [*verdicts["check_function"], *verdicts["check-function"]]
    return int(any(accepted == bool(kernel.wrong) for kernel, accepted, _ in both))


def table(verdicts: Verdicts) -> str:
    """Return two tables: the sums, and the wrong kernels by rule."""
    rows = ["| rule | wrong kernels refused | right kernels accepted | seconds for all 40 |",
            "|---|---|---|---|"]  # fmt: skip
    for rule, row in verdicts.items():
        refused = sum(not accepted for k, accepted, _ in row if k.wrong)
        accepted = sum(accepted for k, accepted, _ in row if not k.wrong)
        seconds = sum(s for _, _, s in row)
        rows.append(f"| {rule} | {refused} of 20 | {accepted} of 20 | {seconds:.1f} |")
    rows += ["", f"| wrong kernel | {' | '.join(verdicts)} |", "|---" * (len(verdicts) + 1) + "|"]
    for i, kernel in enumerate(k for k in kernels() if k.wrong):
        marks = ["" if row[i][1] else "refused" for row in verdicts.values()]
        rows.append(f"| {kernel.name}: {kernel.wrong} | {' | '.join(marks)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
