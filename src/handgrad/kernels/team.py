"""A step computed by a team of threads: each computes its share of every kernel, then waits for the
others before the next kernel.

Shares are of the output, so that one thread computes each number, in one order: the bits do not
depend on the number of threads. `thread` counts from 0. `team` (1 + threads, 8) is int64, one cache
line per row: the number of arrivals, and for each thread the number of arrivals it waits for.
"""

import platform
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from handgrad.kernels.jit import inlined, kernel

LINE = 16
"""Numbers in a cache line, float32: a line that two threads write to moves back and forth."""
ROWS = 16
"""Rows of a batch that are processed together. Every kernel shares a batch by its rows in the same
way: a thread then reads what it has written itself, from its cache.
"""
_SPINS = 1000
"""About 20 microseconds; after that a waiting thread yields its CPU."""
_PAUSES = {"x86_64": "llvm.x86.sse2.pause", "amd64": "llvm.x86.sse2.pause"}


@inlined
def share(size: int, unit: int, thread: int, team: Any) -> Any:
    """Return the thread's begin and end in `size` numbers, in multiples of `unit`."""
    units, threads = (size + unit - 1) // unit, len(team) - 1
    first = units * thread // threads * unit
    return min(size, first), min(size, units * (thread + 1) // threads * unit)


@inlined
def rows_of(batch: Any, thread: int, team: Any) -> Any:
    """Return the thread's first row of `batch`, and the one after its last."""
    return share(len(batch), ROWS, thread, team)


@inlined
def numbers_of(batch: Any, thread: int, team: Any) -> Any:
    """Return the same range for the flattened batch, as unsigned indices."""
    begin, end = rows_of(batch, thread, team)
    width = batch.size // len(batch)
    return np.uintp(begin * width), np.uintp(end * width)


@inlined
def lines(size: int, thread: int, team: Any) -> Any:
    """Return `share` in whole cache lines, as unsigned indices.

    For a signed index that does not start from 0, numba tests whether it is negative, and the loop
    does not vectorise.
    """
    begin, end = share(size, LINE, thread, team)
    return np.uintp(begin), np.uintp(end)


@kernel
def wait(thread: int, team: Any) -> None:
    """Wait until every thread of the team has arrived; its writes are then visible."""
    threads = len(team) - 1
    if threads == 1:
        return
    team[1 + thread, 0] += threads
    expected = team[1 + thread, 0]
    _arrive(team)
    spins = 0
    while _arrivals(team) < expected:
        _pause()
        spins += 1
        if spins > _SPINS:
            _yield()


@intrinsic  # type: ignore[untyped-decorator]
def _arrive(typing_context: Any, team: Any) -> Any:
    """Increment the team's first number; whoever reads it sees the earlier writes."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.atomic_rmw("add", _first(context, builder, team, values), _INT64(1), "release")
        return context.get_dummy_value()

    return types.void(team), generate


@intrinsic  # type: ignore[untyped-decorator]
def _arrivals(typing_context: Any, team: Any) -> Any:
    """Return the team's first number, read again from memory."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_first(context, builder, team, values), "acquire", 8)

    return types.int64(team), generate


_INT64 = ir.IntType(64)


def _first(context: Any, builder: Any, team: Any, values: Any) -> Any:
    return cgutils.create_struct_proxy(team)(context, builder, value=values[0]).data


@intrinsic  # type: ignore[untyped-decorator]
def _pause(typing_context: Any) -> Any:
    """Tell the CPU that this loop is waiting."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        name = _PAUSES.get(platform.machine().lower())
        if name:
            _call(builder, name, ir.VoidType())
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic  # type: ignore[untyped-decorator]
def _yield(typing_context: Any) -> Any:
    """Let another thread use this CPU: POSIX's sched_yield."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _call(builder, "sched_yield", ir.IntType(32))
        return context.get_dummy_value()

    return types.void(), generate


def _call(builder: Any, name: str, result: Any) -> None:
    kind = ir.FunctionType(result, [])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
