"""How much memory, disk and how many processes a checked file may use, and who watches it."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KEEPS = sys.platform == "linux" and Path(f"/proc/self/task/{os.getpid()}/children").exists()
"""Whether a keeper can find all that a file has started; on other systems, its group is ended."""
LARGEST_FILE = 2**30  # bytes
MOST_PROCESSES = 256
"""Threads included: each of a file's libraries may start as many as there are CPUs."""
LEAST_MEMORY = 2 * 2**30  # bytes: torch itself takes half a gigabyte
PAGE = os.sysconf("SC_PAGE_SIZE")


def limits_of(jobs: int) -> "Limits":
    """Return the limits of each of `jobs` files: together three quarters of the memory."""
    memory = PAGE * os.sysconf("SC_PHYS_PAGES")
    return Limits(max(LEAST_MEMORY, memory * 3 // 4 // jobs))


@dataclass(frozen=True)
class Limits:
    """The limits of one checked file. `memory` is in bytes, for all its processes together."""

    memory: int

    def of_process(self) -> dict[str, int]:
        """Return the limits of one process, by the names of the module `resource`."""
        return {
            "RLIMIT_DATA": self.memory,
            "RLIMIT_FSIZE": LARGEST_FILE,
            "RLIMIT_CORE": 0,
        }

    def excess(self, roots: list[int]) -> str | None:
        """Return what the processes below `roots` use too much of together, or None."""
        used = count = 0
        for pid in _below(roots):
            try:
                fields = Path(f"/proc/{pid}/statm").read_text().split()
                count += int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[17])
            except (OSError, IndexError):  # it has ended
                continue
            used += (int(fields[1]) - int(fields[2])) * PAGE
        if count > MOST_PROCESSES:
            return f"it ran more than {MOST_PROCESSES} processes and threads"
        if used > self.memory:
            return f"it used more than {self.memory / 2**30:.1f} GB of memory"
        return None


def _below(roots: list[int]) -> Iterator[int]:
    """Yield the processes below these, up to a few more than are allowed."""
    todo = list(roots)
    seen = 0
    while todo and seen <= MOST_PROCESSES:
        pid = todo.pop()
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
            below = [Path(f"/proc/{pid}/task/{task}/children").read_text() for task in tasks]
        except OSError:
            continue
        found = [int(child) for text in below for child in text.split()]
        yield from found
        seen += len(found)
        todo += found
