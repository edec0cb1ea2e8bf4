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

    Beyond a limit of 8, torch runs it uncompiled without an error. Sizes are dynamic, so that one
    graph serves them all; `static` is for the first call.
    """
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None:
        yield
        return
    functorch: Any = import_module("torch._functorch.config")
    limits: dict[str, object] = {
        name: RECOMPILES
        for name in ("recompile_limit", "accumulated_recompile_limit")
        if hasattr(dynamo.config, name)
    }
    limits["assume_static_by_default"] = False
    kept = {"donated_buffer": False} if hasattr(functorch, "donated_buffer") else {}
    with dynamo.config.patch(limits), functorch.patch(kept):
        yield


@contextmanager
def static() -> Iterator[None]:
    """Compile a function for the very sizes of a call, as its first call outside a check does."""
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None:
        yield
        return
    with dynamo.config.patch(assume_static_by_default=True):
        yield


def graphs() -> int:
    """Return how many graphs were compiled in this process."""
    utils = sys.modules.get("torch._dynamo.utils")
    return utils.counters["stats"]["unique_graphs"] if utils else 0


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


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run compiled functions as they were before they were compiled.

    torch gives up on a compiled function for good when it runs under a dispatch mode.
    """
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
