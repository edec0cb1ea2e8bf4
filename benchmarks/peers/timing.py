"""Time peers in turn, in blocks of the same steps in one process. Ratios are taken per round."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.peers.work import (
    Absent,
    Build,
    Cell,
    Peer,
    Work,
    WrongPeer,
    reference_steps,
    verified,
)

BLOCK_FLOPS = 1e9
"""Work in a block: tens of milliseconds, so that the call from Python weighs little, and so do the
first steps, which run with the previous peer's data in the caches. Training is one long block."""
ON_SEVERAL_CORES = 16
"""The factor on BLOCK_FLOPS for several threads: a peer's threads spin for milliseconds after its
turn, and the next peer's threads need as long to get cores of their own."""
MOST_STEPS = 256


@dataclass(frozen=True)
class Timed:
    """One peer in one cell: microseconds per step, and the reference's time over its own."""

    microseconds: float
    times_faster: float
    low: float
    """First and third quartile of the ratios."""
    high: float
    gflops: float


@dataclass
class Measured:
    """One cell: the peers that were timed, and those left out, with the reason."""

    cell: Cell
    steps_a_block: int
    rounds: int = 0
    flops: int = 0
    timed: dict[str, Timed] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    """Seconds per step, one value per round. Round i has the same batches for every peer."""

    @property
    def title(self) -> str:
        return self.cell.title

    def ratio(self, slower: str, faster: str) -> float:
        """Return the median over the rounds of one peer's time over another's."""
        return ratio_quartiles(self.times[slower], self.times[faster])[1]

    @property
    def best(self) -> str:
        return min(self.timed, key=lambda name: self.timed[name].microseconds)


def steps_a_block(flops: int, threads: int = 1) -> int:
    """Return the number of steps in a block: a power of two, which unrolling divides."""
    wanted = BLOCK_FLOPS * (ON_SEVERAL_CORES if threads > 1 else 1)
    fitting = max(1, min(MOST_STEPS, int(wanted / flops)))
    return 1 << (fitting.bit_length() - 1)


def measure(
    work: Work,
    builds: Mapping[str, Build],
    reference: str,
    seconds: float,
    now: Callable[[], float],
    say: Callable[[str], None] = lambda _: None,
    threads: int = 1,
) -> Measured:
    """Verify every peer, then time those that can run here, on `threads` cores.

    `reference` must be one of them. Raises WrongPeer if a peer's step differs from float64
    autograd's.
    """
    steps = steps_a_block(work.flops, threads)
    measured = Measured(work.cell, steps, flops=work.flops)
    peers: dict[str, Peer] = {}
    truth = reference_steps(work, steps)
    for name, build in builds.items():
        say(f"{work.cell.title}: setting up {name}")
        try:
            peers[name] = verified(work, build, truth)
        except Absent as absent:
            measured.absent[name] = str(absent)
        except WrongPeer as wrong:
            raise WrongPeer(f"{name}, {work.cell.title}, {steps} steps: {wrong}") from None
    say(f"{work.cell.title}: {seconds:.0f} seconds of turns")
    gc.collect()
    gc.freeze()  # so that no collection looks through the objects of other peers
    times = measured.times = in_turn(peers, steps, len(work.rows), seconds, now)
    measured.rounds = len(times[reference])
    for name, taken in times.items():
        low, middle, high = ratio_quartiles(times[reference], taken)
        median = statistics.median(taken)
        measured.timed[name] = Timed(median * 1e6, middle, low, high, work.flops / median / 1e9)
    return measured


def ratio_quartiles(slower: Sequence[float], faster: Sequence[float]) -> list[float]:
    """Return first quartile, median and third quartile of the ratios of times in a round."""
    ratios = [one / other for one, other in zip(slower, faster, strict=True)]
    return statistics.quantiles(ratios, n=4, method="inclusive")


def in_turn(
    peers: Mapping[str, Peer], steps: int, pool: int, seconds: float, now: Callable[[], float]
) -> dict[str, list[float]]:
    """Return seconds per step, a list of at least three rounds for each peer."""
    times: dict[str, list[float]] = {name: [] for name in peers}
    first, end, rounds = steps, time.perf_counter() + seconds, 0
    while rounds < 3 or time.perf_counter() < end:
        for name, peer in peers.items():
            start = now()
            peer.run(first % pool)
            times[name].append((now() - start) / steps)
        first, rounds = first + steps, rounds + 1
    return times
