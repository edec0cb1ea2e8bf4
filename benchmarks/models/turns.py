"""What the tables share: sizes as arguments, and two peers in turn, each in its own process."""

import statistics
from collections.abc import Callable, Iterable

from benchmarks.peers.child import run as run_child


def numbers(arguments: Iterable[str]) -> dict[str, int]:
    """Return SIZE=VALUE arguments by name."""
    return {key: int(value) for key, value in (one.split("=") for one in arguments)}


def ours(name: str, batch_size: int, data: str, *sizes: str) -> float:
    """Return microseconds per step of our compiled step."""
    shown = run_child(["-m", "benchmarks.models.ours", name, f"{batch_size}", data, *sizes])
    return float(shown)


def in_turn(
    rounds: int, ours: Callable[[], float], theirs: Callable[[], float]
) -> tuple[float, float, float]:
    """Return both medians, and the median over the rounds of ours over theirs."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    mine, other = zip(*pairs, strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(mine), statistics.median(other), ratio
