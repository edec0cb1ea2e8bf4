"""The machine: pinning to cores, peak speed, and the clock."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch


def hold(threads: int) -> None:
    """Keep this process and its children on `threads` cores. Call before a peer starts its pool."""
    if hasattr(os, "sched_setaffinity"):  # only on Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    torch.set_num_threads(threads)


def clock(threads: int) -> tuple[str, Callable[[], float]]:
    """Return the clock's name and the clock, in seconds.

    It is CPU time on one core, so that other processes do not count, and wall time on several,
    where waiting for other threads is part of the step.
    """
    if threads == 1:
        return "CPU time", time.process_time
    return "wall time", time.perf_counter


def gemm_peak(now: Callable[[], float], n: int = 1024, seconds: float = 1.0) -> float:
    """Return the GFlop/s of torch's float32 product of two n x n matrices, at best."""
    a, b, out = torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = now()
        torch.mm(a, b, out=out)
        best = min(best, now() - start)
    return 2 * n**3 / best / 1e9


def processor() -> str:
    """Return the CPU's name and vector width, as far as the system reports them."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        name = next(
            (x.partition(":")[2].strip() for x in lines if x.startswith("model name")), name
        )
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def load() -> str:
    """Return how busy the machine is before anything is timed."""
    if not hasattr(os, "getloadavg"):
        return "load unknown"
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before the run"
