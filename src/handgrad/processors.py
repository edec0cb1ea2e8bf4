"""The number of usable CPUs."""

import os


def available() -> int:
    """Return the number of CPUs that this process may use; on macOS, the machine's."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
