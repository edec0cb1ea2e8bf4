"""A step computed by a team of threads: each runs the whole of it, does its share of every kernel,
and waits for all others before the next.

Shares are of what is written, so that every number is computed by one thread, in one order: the
bits do not depend on how many threads there are. `thread` counts from 0; `team` (1 + threads, 8)
is int64, a cache line a row: how often threads have arrived, and for each how many arrivals it
waits for.
"""

import platform
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from handgrad.kernels.jit import inlined, kernel

LINE = 16
"""Numbers of a cache line, float32: where two threads write to one, it goes back and forth."""
ROWS = 16
"""Of a batch, taken together. What a thread has written it reads next, from its own cache: kernels
that go over a batch are shared out by its rows, all in the same way."""
_SPINS = 1000
"""Some 20 microseconds; who waits longer lets others have the processor."""
_PAUSES = {"x86_64": "llvm.x86.sse2.pause", "amd64": "llvm.x86.sse2.pause"}


@inlined
def share(size: int, unit: int, thread: int, team: Any) -> Any:
    """The first of the thread's numbers, and the one after its last, of `size` in units."""
    units, threads = (size + unit - 1) // unit, len(team) - 1
    first = units * thread // threads * unit
    return min(size, first), min(size, units * (thread + 1) // threads * unit)


@inlined
def rows_of(batch: Any, thread: int, team: Any) -> Any:
    """The first of the thread's rows of `batch`, and the one after its last."""
    return share(len(batch), ROWS, thread, team)


@inlined
def numbers_of(batch: Any, thread: int, team: Any) -> Any:
    """The same of the batch as one line, as indices without a sign."""
    begin, end = rows_of(batch, thread, team)
    width = batch.size // len(batch)
    return np.uintp(begin * width), np.uintp(end * width)


@inlined
def lines(size: int, thread: int, team: Any) -> Any:
    """`share` in whole cache lines, as indices without a sign: of one with a sign that does not
    start from 0 numba asks whether it counts from the end, and no such loop vectorises."""
    begin, end = share(size, LINE, thread, team)
    return np.uintp(begin), np.uintp(end)


@kernel
def wait(thread: int, team: Any) -> None:
    """Until every thread of the team is here; what they have written is then seen."""
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
    """Add one to the team's first number; what was written before is seen by who sees that."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.atomic_rmw("add", _first(context, builder, team, values), _INT64(1), "release")
        return context.get_dummy_value()

    return types.void(team), generate


@intrinsic  # type: ignore[untyped-decorator]
def _arrivals(typing_context: Any, team: Any) -> Any:
    """The team's first number, read anew."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_first(context, builder, team, values), "acquire", 8)

    return types.int64(team), generate


_INT64 = ir.IntType(64)


def _first(context: Any, builder: Any, team: Any, values: Any) -> Any:
    return cgutils.create_struct_proxy(team)(context, builder, value=values[0]).data


@intrinsic  # type: ignore[untyped-decorator]
def _pause(typing_context: Any) -> Any:
    """Tell the processor that this is a loop that waits."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        name = _PAUSES.get(platform.machine().lower())
        if name:
            _call(builder, name, ir.VoidType())
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic  # type: ignore[untyped-decorator]
def _yield(typing_context: Any) -> Any:
    """Let another thread have this processor: POSIX's sched_yield."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _call(builder, "sched_yield", ir.IntType(32))
        return context.get_dummy_value()

    return types.void(), generate


def _call(builder: Any, name: str, result: Any) -> None:
    kind = ir.FunctionType(result, [])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
