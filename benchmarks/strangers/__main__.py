"""Measure what the checker says about programs in the styles of strangers.

    python -m benchmarks.strangers [TEXT] [--verbose] [--verify] [--jobs 2]

TEXT selects the programs whose names contain it. The exit code is 1 if a correct program is called
wrong, or if a figure is below its bound.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks.strangers.grade import Judged, cases, judged
from benchmarks.strangers.table import Program, programs
from benchmarks.strangers.truth import is_fault, slopes

BOUNDS = {"roots named": 0.97, "right reason": 0.85, "correct line": 0.80}


def verify(given: Sequence[Program]) -> int:
    """Verify the programs without the checker; return the number of failures."""
    failed = [line for program in given for line in slopes(program)]
    faults = [(program, fault) for program in given for fault in program.faults]
    failed += [
        f"{program.name}: changes nothing: {fault.wrong}"
        for program, fault in faults
        if not is_fault(program, fault)
    ]
    print("\n".join([*failed, f"{len(given)} programs, {len(failed)} failures"]))
    return len(failed)


def report(found: Sequence[Judged]) -> bool:
    """Print the figures; return whether they are within bounds."""
    right = [j for j in found if j.case.fault is None]
    wrong = [j for j in found if j.case.fault is not None]
    alarms = sum(not j.failed and not j.named for j in right)
    got = {
        "roots named": sum(j.named for j in wrong),
        "right reason": sum(j.reason for j in wrong),
        "correct line": sum(j.line for j in wrong),
    }
    print(f"{len(right)} correct programs, {len(wrong)} faults")
    print(f"false alarms: {alarms}")
    for name, number in got.items():
        share = number / len(wrong) if wrong else 1.0
        print(f"{name}: {number} ({share:.1%}, bound {BOUNDS[name]:.0%})")
    for status in ("refused", "crashed", "timeout"):
        one, other = (sum(j.failed == status for j in part) for part in (right, wrong))
        print(f"{status}: {one} correct, {other} with faults")
    return alarms == 0 and all(got[n] >= BOUNDS[n] * len(wrong) for n in got)


def _say(j: Judged) -> None:
    fault = j.case.fault
    if j.named and j.reason and j.line:
        return
    lacks = [
        name for name, has in (("NAME", j.named), ("REASON", j.reason), ("LINE", j.line)) if not has
    ]
    what = fault.wrong if fault else "(correct)"
    where = j.case.program.line_of(fault.right) if fault else 0
    label = j.failed.upper() or ("ALARM" if fault is None else "no " + ", ".join(lacks))
    print(f"{j.case.program.name}:{where}: {what}\n    {label}")
    print("".join(f"      {line}\n" for line in j.says), end="")


def main() -> int:
    """Run the benchmark; 1 if a figure is out of bounds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("only", nargs="?", default="", metavar="TEXT")
    parser.add_argument("--verbose", action="store_true", help="also print each failure")
    parser.add_argument("--verify", action="store_true", help="verify the programs alone")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    given = programs(asked.only)
    if asked.verify:
        return int(verify(given) > 0)
    found = []
    for one in judged(cases(given), asked.jobs):
        found.append(one)
        if asked.verbose:
            _say(one)
            sys.stdout.flush()
    return int(not report(found))


if __name__ == "__main__":
    sys.exit(main())
