"""SCHEDULES: name -> the learning rate of a step, a pure function of the settings and the step."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handgrad.train.settings import TrainSettings


def step(settings: "TrainSettings", at: int) -> float:
    """`lr`, then `lr * lr_decay` from step `lr_decay_at` on, like the lecture's 0.1 and 0.01."""
    assert settings.lr is not None
    assert settings.lr_decay_at is not None
    return settings.lr if at < settings.lr_decay_at else settings.lr * settings.lr_decay


def constant(settings: "TrainSettings", at: int) -> float:
    """`lr` throughout."""
    assert settings.lr is not None
    return settings.lr


SCHEDULES: dict[str, Callable[["TrainSettings", int], float]] = {"step": step, "constant": constant}
"""Each wants settings that are resolved and a step counted from 0."""
