"""Fuzz all targets, or those that are named."""

import argparse
import sys

from benchmarks.fuzz.alike import ALIKE
from benchmarks.fuzz.inputs import INPUTS
from benchmarks.fuzz.lines import LINES
from benchmarks.fuzz.target import fuzz

TARGETS = (*INPUTS, *LINES, *ALIKE)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(t.name for t in TARGETS))
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    parser.add_argument("--programs", type=int, default=2000, help="of the metamorphic tests")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    broken = 0
    for target in TARGETS:
        if chosen.names and target.name not in chosen.names:
            continue
        is_counted = target.name == "alike"
        seconds = 1e9 if is_counted else 60 * chosen.minutes
        most = chosen.programs if is_counted else None
        found = fuzz(target, seconds, chosen.seed, most)
        print(
            f"{target.name}: {found.examples:,} examples in {found.seconds / 60:.1f} min",
            flush=True,
        )
        if found.broken:
            broken += 1
            print(f"broken promise, {found.broken}", flush=True)
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
