"""Measure what the checker and other tools find in planted faults, and their false alarms.

    python -m benchmarks.faults [--faults] [--dtypes] [--pairs] [--false-alarms] [--peers]
                                [--random-pairs 500] [--passes 1000] [--write docs/proving.md]

Runs all five parts unless some are named. The exit code is 1 if the checker misses a fault, blames
a correct line or raises a false alarm. It takes one core and, for all parts, some minutes.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.proving import report
from benchmarks.proving.causes import counted, is_offered, is_right, row_of
from benchmarks.proving.correct import DTYPES, Correct, correct, gradient_names
from benchmarks.proving.generate import Fault, Generated, generate
from benchmarks.proving.grade import alarms, blamed, check, check_program, complaints
from benchmarks.proving.own_layers import layer_passes
from benchmarks.proving.pairs import Pair, at_random, every_two, sample
from benchmarks.proving.peers import PEERS, planted, random_pass

AFFORDABLE = 16
"""The largest batch size for slow gradcheck on correct passes: beyond this it takes minutes."""


Named = tuple[str, str, dict[str, Any], Sequence[str]]
"""A program: its title, its source, the names that it starts with, its gradients."""


@dataclass(frozen=True)
class Given:
    """The programs that all parts share."""

    generated: Generated
    passes: list[Correct]
    random_pairs: int


def singles(given: Given) -> tuple[str, int]:
    """Return the table of single faults by kind, and the number that are not named exactly."""
    missed: Counter[str] = Counter()
    rows = []
    for fault in given.generated.faults:
        report_of = check_program(fault.source, fault.sizes)
        rows.append((fault, row_of(report_of, fault)))
        found = complaints(report_of, [fault], fault.effect)
        if found:
            missed[fault.kind] += 1
            _say([fault], found)
    return report.by_kind(given.generated, missed, counted(rows)), missed.total()


def dtypes(given: Given) -> tuple[str, int]:
    """Return the table of single faults in other dtypes, and the number of failures.

    Faults that float64 misses are failures; bfloat16 has too few bits for the smallest ones.
    """
    rows, failed = [], 0
    for dtype in (torch.float64, torch.bfloat16):
        reports = [(check_program(f.source, f.sizes, dtype), f) for f in given.generated.faults]
        named = sum(not complaints(found, [f], f.effect) for found, f in reports)
        unjust = sum(bool(set(blamed(found)) - {f.root.hand}) for found, f in reports)
        right = sum(found.ok for found, _ in reports)
        caught = [(f, row) for found, f in reports if (row := row_of(found, f)) and row.message]
        why = sum(is_right(f, row) for f, row in caught)
        offered = sum(is_offered(row) for _, row in caught)
        told = [named, right, unjust, why, offered]
        rows.append([str(dtype), str(len(reports)), *map(str, told)])
        failed += unjust + (len(reports) - named if dtype == torch.float64 else 0)
    head = ["dtype", "faults", "named exactly", "passed as right", "a right line blamed",
            "right cause", "line offered, verified"]  # fmt: skip
    return report.table(head, rows), failed


def pairs(given: Given) -> tuple[str, int]:
    """Return the table of pairs of faults, and the number that are not named exactly."""
    faults = given.generated.faults
    every, drawn = list(every_two(sample(faults))), list(at_random(faults, given.random_pairs))
    missed = [_missed(every), _missed(drawn)]
    return report.on_pairs(len(sample(faults)), len(every), len(drawn), missed), sum(missed)


def _missed(given: list[Pair]) -> int:
    missed = 0
    for pair in given:
        found = complaints(check_program(pair.source, pair.sizes), pair.faults, pair.effect)
        missed += bool(found)
        if found:
            _say(pair.faults, found)
    return missed


def false_alarms(given: Given) -> tuple[str, int]:
    """Return the table of correct programs, and the number that are called wrong."""
    made, layers = given.passes, [p for dtype in DTYPES.values() for p in layer_passes(dtype)]
    random = [(f"seed {c.seed}", c.source, c.names(), gradient_names(c.source)) for c in made]
    own = [(f"{p.layer}, {p.case}, {p.form}", p.source, p.names, p.hands) for p in layers]
    sizes = f"batch {min(c.n for c in made)} to {max(c.n for c in made)}"
    families = {
        f"random passes, {sizes}, three dtypes": (len(random), *_cried(random)),
        "own layers, chunked and fused, three dtypes": (len(own), *_cried(own)),
    }
    return report.on_alarms(families), sum(cried for _, _, cried in families.values())


def _cried(programs: Sequence[Named]) -> tuple[Counter[str], int]:
    """Return the verdicts on correct programs, and the number with a false alarm."""
    verdicts: Counter[str] = Counter()
    cried = 0
    for what, source, names, hands in programs:
        found = check(source, names)
        verdicts.update(found.counts)
        against = alarms(found, hands)
        cried += bool(against)
        for line in against:
            print(f"false alarm, {what}: {line}")
    return verdicts, cried


def peers(given: Given) -> tuple[str, int]:
    """Return the table of the checker beside other tools, whose misses are not failures."""
    faults, passes = given.generated.faults, given.passes
    two = list(every_two(sample(faults)))
    rows = [["handgrad", *_handgrad(faults, two, passes)]]
    rows += [[name, *_peer(name, faults, two, passes)] for name in PEERS]
    return report.beside(rows, len(faults), len(two), len(passes)), 0


def _handgrad(faults: list[Fault], two: list[Pair], passes: list[Correct]) -> Iterator[str]:
    """Yield faults found, faults named, pairs named, false alarms and CPU ms per program."""
    start = time.process_time()
    reports = [(check_program(f.source, f.sizes), f) for f in faults]
    seconds = time.process_time() - start
    yield str(sum(not found.ok for found, _ in reports))
    yield str(sum(not complaints(found, [f], f.effect) for found, f in reports))
    both = ((check_program(p.source, p.sizes), p) for p in two)
    yield str(sum(not complaints(found, p.faults, p.effect) for found, p in both))
    correct_ones = ((check(c.source, c.names()), gradient_names(c.source)) for c in passes)
    yield str(sum(bool(alarms(found, hands)) for found, hands in correct_ones))
    yield f"{seconds / len(faults) * 1e3:.0f}"


def _peer(name: str, faults: list[Fault], two: list[Pair], passes: list[Correct]) -> Iterator[str]:
    """Yield the same for another tool.

    A tool names a fault if it is the first gradient that the tool rejects, and a pair if these two
    are all that it rejects.
    """
    peer = PEERS[name]
    start = time.process_time()
    found = [(peer(planted(f.source, f.sizes)), f) for f in faults]
    seconds = time.process_time() - start
    yield str(sum(bool(failing) for failing, _ in found))
    yield str(sum(failing[:1] == [fault.root.hand] for failing, fault in found))
    both = ((peer(planted(p.source, p.sizes)), {f.root.hand for f in p.faults}) for p in two)
    yield str(sum(set(failing) == roots for failing, roots in both))
    if name == "gradcheck, slow":  # two forward passes per parameter element
        passes = [given for given in passes if given.n <= AFFORDABLE]
    cried = sum(bool(peer(random_pass(given))) for given in passes)
    yield f"{cried} of {len(passes)}" if name == "gradcheck, slow" else str(cried)
    yield f"{seconds / len(faults) * 1e3:.0f}"


PARTS: dict[str, Callable[[Given], tuple[str, int]]] = {
    "faults": singles,
    "dtypes": dtypes,
    "pairs": pairs,
    "false-alarms": false_alarms,
    "peers": peers,
}
"""Name of the flag -> its part, which returns a table and the number of failures."""


def _say(faults: Sequence[Fault], found: list[str]) -> None:
    print(" and ".join(f"line {f.line}: {f.mutated or '(left out)'}" for f in faults))
    print("".join(f"    {line}\n" for line in found), end="")


def main() -> int:
    """Run the chosen parts, print their tables, and write them into the docs with --write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for part in PARTS:
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--random-pairs", type=int, default=500)
    parser.add_argument("--passes", type=int, default=1000)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    chosen = [part for part in PARTS if getattr(asked, part.replace("-", "_"))] or list(PARTS)
    if hasattr(os, "sched_setaffinity"):  # only on Linux
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    given = Given(generate(), [correct(seed) for seed in range(asked.passes)], asked.random_pairs)
    failed, texts = 0, {}
    for part in chosen:
        texts[part], missed = PARTS[part](given)
        failed += missed
        print(f"{texts[part]}\n")
    if asked.write:
        report.write(asked.write, texts)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
