"""The caller's state around a check: random numbers, warnings, threads."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch


def reseed(seed: int) -> None:
    """Seed CPU and CUDA. (torch.manual_seed records the whole stack each time: milliseconds.)"""
    torch.default_generator.manual_seed(seed)
    if on_cuda():
        torch.cuda.manual_seed_all(seed)


def on_cuda() -> bool:
    """Return whether this process has used CUDA."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


@contextmanager
def isolated() -> Iterator[None]:
    """Run a check without touching the caller's random state, warnings or thread count.

    Warnings are ignored: a function would repeat its own a hundred times, and a test suite that
    turns warnings into errors would call a right gradient wrong. The checker's own arithmetic uses
    one thread: most of its tensors are small, and threads that wait for a busy core cost several
    times the work itself. `threads` restores the caller's count for the function under test.
    """
    devices = range(torch.cuda.device_count()) if on_cuda() else ()
    with (
        torch.random.fork_rng(devices=list(devices)),
        warnings.catch_warnings(),
        threads(1),
        compiling(),
    ):
        warnings.simplefilter("ignore")
        yield


RECOMPILES = 1000


@contextmanager
def compiling() -> Iterator[None]:
    """Let a compiled function compile for every sample, and its graph be differentiated again.

    Beyond a limit of 8, torch runs it uncompiled without an error.
    """
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None:
        yield
        return
    functorch: Any = import_module("torch._functorch.config")
    limits = {
        name: RECOMPILES
        for name in ("recompile_limit", "accumulated_recompile_limit")
        if hasattr(dynamo.config, name)
    }
    kept = {"donated_buffer": False} if hasattr(functorch, "donated_buffer") else {}
    with dynamo.config.patch(limits), functorch.patch(kept):
        yield


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Use `count` threads for torch operations on the CPU."""
    before = torch.get_num_threads()
    if before == count:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
