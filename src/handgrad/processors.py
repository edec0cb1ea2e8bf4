"""How many processors there are to use."""

import os


def available() -> int:
    """Those of this process and of what it starts, where the system tells; else the machine's."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
