"""SCHEDULES: name -> the learning rate of a step, a pure function of numbers."""

import math
from collections.abc import Callable
from typing import NamedTuple


class ScheduleNumbers(NamedTuple):
    """What learning rates depend on, besides the step; each schedule uses some of it."""

    lr: float
    """The highest learning rate: the first one, or that after the warm-up."""
    steps: int
    """Number of steps of the run."""
    warmup: int = 0
    decay: float = 0.1
    decay_at: int = 0
    lr_min: float = 0.0


Schedule = Callable[[ScheduleNumbers, int], float]
"""(numbers, step counted from 0) -> the learning rate of that step, without the warm-up."""


def step(numbers: ScheduleNumbers, at: int) -> float:
    """Return `lr`, and `lr * decay` from step `decay_at` on, like the lecture's 0.1 and 0.01."""
    return numbers.lr if at < numbers.decay_at else numbers.lr * numbers.decay


def constant(numbers: ScheduleNumbers, at: int) -> float:
    """Return `lr` for every step."""
    return numbers.lr


def linear(numbers: ScheduleNumbers, at: int) -> float:
    """Return a rate on the line from `lr` to `lr_min`, which a step after the last would reach.

    As in microgpt: lr * (1 - at / steps) without a warm-up and a minimum.
    """
    return _between(numbers, 1 - _progress(numbers, at))


def cosine(numbers: ScheduleNumbers, at: int) -> float:
    """Return a rate on half a cosine from `lr` to `lr_min` (Loshchilov & Hutter 2016)."""
    return _between(numbers, (1 + math.cos(math.pi * _progress(numbers, at))) / 2)


def _between(numbers: ScheduleNumbers, share: float) -> float:
    return numbers.lr_min + (numbers.lr - numbers.lr_min) * share


def _progress(numbers: ScheduleNumbers, at: int) -> float:
    """Return the share of the steps after the warm-up that are done before step `at`."""
    return max(0, at - numbers.warmup) / max(1, numbers.steps - numbers.warmup)


SCHEDULES: dict[str, Schedule] = {
    "step": step,
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
}
WITH_MINIMUM = ("linear", "cosine")
"""Schedules that use `lr_min`."""


def learning_rate(schedule: str, numbers: ScheduleNumbers, at: int) -> float:
    """Return the learning rate of step `at`: it grows linearly in the first `warmup` steps.

    The last of them has the schedule's own rate.
    """
    rate = SCHEDULES[schedule](numbers, at)
    return rate * ((at + 1) / numbers.warmup) if at + 1 < numbers.warmup else rate
