"""SCHEDULES: name -> the learning rate of a step, a pure function of numbers."""

from collections.abc import Callable

Schedule = Callable[[float, float, int, int], float]
"""(lr, decay, decay_at, step counted from 0) -> the learning rate of that step."""


def step(lr: float, decay: float, decay_at: int, at: int) -> float:
    """Return `lr`, and `lr * decay` from step `decay_at` on, like the lecture's 0.1 and 0.01."""
    return lr if at < decay_at else lr * decay


def constant(lr: float, decay: float, decay_at: int, at: int) -> float:
    """Return `lr` for every step."""
    return lr


SCHEDULES: dict[str, Schedule] = {"step": step, "constant": constant}
