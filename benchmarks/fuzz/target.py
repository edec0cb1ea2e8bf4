"""What a target is, and running one for some minutes."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hypothesis
from hypothesis.strategies import SearchStrategy

BATCH = 200
"""Examples between two looks at the clock."""


@dataclass(frozen=True)
class Target:
    """One part of handgrad. `promise` raises AssertionError where it does not hold."""

    name: str
    strategy: Callable[[], SearchStrategy[Any]]
    promise: Callable[[Any], None]
    batch: int = BATCH


@dataclass(frozen=True)
class Fuzzed:
    """What a run found: the examples tried, and the broken promise of the first bad one."""

    examples: int
    seconds: float
    broken: str | None = None


def fuzz(target: Target, seconds: float, seed: int = 0, most: int | None = None) -> Fuzzed:
    """Try examples until the time is over, or `most` of them. Each batch has the next seed."""
    began, tried = time.monotonic(), 0

    def one(example: Any) -> None:
        nonlocal tried
        tried += 1
        target.promise(example)

    while tried < (most or tried + 1) and time.monotonic() - began < seconds:
        count = min(target.batch, most - tried) if most else target.batch
        settings = hypothesis.settings(
            max_examples=count, deadline=None, database=None,
            suppress_health_check=list(hypothesis.HealthCheck), print_blob=False,
        )  # fmt: skip
        run = settings(hypothesis.seed(seed)(hypothesis.given(target.strategy())(one)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run()
        except Exception as error:
            several = error.exceptions if isinstance(error, ExceptionGroup) else [error]
            broken = f"seed {seed}: " + "\n".join(map(_described, several))
            return Fuzzed(tried, time.monotonic() - began, broken)
        seed += 1
    return Fuzzed(tried, time.monotonic() - began)


def _described(error: Exception) -> str:
    """Return the error and its example, which hypothesis adds as a note."""
    notes = "\n".join(getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {error}\n{notes}"
