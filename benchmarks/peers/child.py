"""Run another process of this interpreter on a given number of cores."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


def run(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, cores: int = 1
) -> str:
    """Return its standard output. Raises RuntimeError with its last line if it fails."""
    command = [sys.executable, *arguments]
    with held(cores):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing said"]
        raise RuntimeError(f"{' '.join(arguments)}: exit code {done.returncode}: {said[-1]}")
    return done.stdout


@contextmanager
def held(cores: int) -> Iterator[None]:
    """Keep this thread and its children on `cores` cores.

    The alternative, code between fork and exec, is unsafe with threads, and torch has threads.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-cores:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
