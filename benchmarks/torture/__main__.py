"""Run all of it and print a table; exit code 1 if a trial failed.

python -m benchmarks.torture [kills] [power] [damage] [caches]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.torture import caches, folders
from benchmarks.torture.trial import HEAD, Tally
from handgrad.cli import run

PARTS: dict[str, Callable[[Path], list[Tally]]] = {
    "kills": lambda folder: [folders.kills(folder)],
    "power": lambda folder: [folders.power_cuts(folder)],
    "damage": folders.damage,
    "caches": lambda folder: [
        caches.machine_code(folder),
        caches.tokens(folder),
        caches.whole_runs(folder),
    ],
}


def main(chosen: list[str]) -> int:
    """Return the exit code."""
    began = time.monotonic()
    memory = "/dev/shm"  # nothing here needs a disk, and syncing one takes most of the time
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="torture-", dir=place) as name:
        folder = Path(name)
        os.environ["HANDGRAD_CACHE"] = str(folder / "cache")
        folders.prepare(folder)
        os.chdir(folder)
        # in this process: everything is imported and compiled before the first fork
        code = run([*folders.TRAIN, "--steps=1", "-o", "first"])
        if code:
            return code
        folders.make_whole(folder)
        tallies = [tally for part in chosen or PARTS for tally in PARTS[part](folder)]
    print(HEAD)
    for tally in tallies:
        print(tally.row)
    for tally in tallies:
        for failure in tally.failures:
            print(f"{tally.name}: {failure}")
    print(f"{time.monotonic() - began:.0f} s")
    return int(any(tally.failures for tally in tallies))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
