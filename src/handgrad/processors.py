"""What of this machine the process may use: CPUs and memory."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path


def available() -> int:
    """Return the number of CPUs that this process may use; on macOS, the machine's."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """Return the bytes that this process may still take: of the machine, and of its limits."""
    free = [_of_machine(), *_of_groups()]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        free.append(max(0, limit - _used()))
    return max(0, min(free))


def _of_machine() -> int:
    """Return MemAvailable on Linux, elsewhere the machine's memory."""
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _of_groups() -> Iterator[int]:
    """Yield what the control groups of a container leave; cached files can be given up."""
    for folder, most, used in (
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        limit, current = (
            next(iter(_lines(f"{folder}/{name}")), "max").strip() for name in (most, used)
        )
        if limit.isdigit() and current.isdigit():
            stats = dict(line.split()[:2] for line in _lines(f"{folder}/memory.stat"))
            cached = int(stats.get("inactive_file", 0)) + int(stats.get("active_file", 0))
            yield int(limit) - int(current) + cached


def _used() -> int:
    """Return the bytes of this process's address space."""
    size = next(iter(_lines("/proc/self/statm")), "0").split()[0]
    return int(size) * os.sysconf("SC_PAGE_SIZE")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
