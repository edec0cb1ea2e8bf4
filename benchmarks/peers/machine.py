"""The machine: cores held, their peak, and how processor time is read."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch


def hold(threads: int) -> None:
    """Keep this process, and what it starts, on `threads` cores, before any peer makes its pool."""
    if hasattr(os, "sched_setaffinity"):  # Linux alone
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    torch.set_num_threads(threads)


def clock(threads: int) -> tuple[str, Callable[[], float]]:
    """(its name, seconds): processor time on one core, so that neighbours do not count; wall time
    on several, where waiting for one another is part of the step."""
    if threads == 1:
        return "processor time", time.process_time
    return "wall time", time.perf_counter


def gemm_peak(now: Callable[[], float], n: int = 1024, seconds: float = 1.0) -> float:
    """GFlop/s of the best float32 product of two n x n matrices, torch's."""
    a, b, out = torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = now()
        torch.mm(a, b, out=out)
        best = min(best, now() - start)
    return 2 * n**3 / best / 1e9


def processor() -> str:
    """The processor's name and its vector width, as far as the system tells."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        name = next(
            (x.partition(":")[2].strip() for x in lines if x.startswith("model name")), name
        )
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def load() -> str:
    """How busy the machine is before anything is timed."""
    if not hasattr(os, "getloadavg"):
        return "load unknown"
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before the run"
