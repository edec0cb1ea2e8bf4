"""Learning rates by step."""

import math

import pytest
import torch

from handgrad.optim import SCHEDULES, ScheduleNumbers, learning_rate
from handgrad.training.settings import TrainSettings


def rates(name: str, numbers: ScheduleNumbers) -> list[float]:
    return [learning_rate(name, numbers, at) for at in range(numbers.steps)]


def test_step_decays_at_its_step() -> None:
    numbers = ScheduleNumbers(0.1, 10, decay_at=5)
    assert rates("step", numbers) == [0.1] * 5 + [0.1 * 0.1] * 5


def test_constant() -> None:
    assert set(rates("constant", ScheduleNumbers(0.1, 10, decay_at=5))) == {0.1}


def test_linear_is_microgpts() -> None:
    assert rates("linear", ScheduleNumbers(0.01, 1000)) == [
        0.01 * (1 - step / 1000) for step in range(1000)
    ]


@pytest.mark.parametrize("warmup", [0, 7])
def test_cosine_is_torchs(warmup: int) -> None:
    """CosineAnnealingLR on the steps after the warm-up."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40 - warmup, eta_min=0.02)
    theirs = []
    for _ in range(40 - warmup):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    ours = rates("cosine", ScheduleNumbers(0.3, 40, warmup, lr_min=0.02))
    assert ours[warmup:] == pytest.approx(theirs, rel=1e-9)  # torch multiplies rates, step by step


def test_minimum_of_linear() -> None:
    ours = rates("linear", ScheduleNumbers(0.5, 5, lr_min=0.1))
    assert ours == pytest.approx([0.5, 0.42, 0.34, 0.26, 0.18])


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_warm_up_is_linear(name: str) -> None:
    numbers = ScheduleNumbers(0.1, 10, warmup=4, decay_at=8)
    assert rates(name, numbers)[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert rates(name, numbers)[4] == 0.1
    one = numbers._replace(warmup=1)
    assert rates(name, one)[0] == 0.1


@pytest.mark.parametrize("warmup", [0, 3, 10])
def test_every_schedule_is_positive(warmup: int) -> None:
    for name in SCHEDULES:
        numbers = ScheduleNumbers(0.1, 10, warmup, decay_at=5)
        assert all(rate > 0 for rate in rates(name, numbers)), name


def test_settings_decay_after_half_of_the_steps() -> None:
    settings = TrainSettings(steps=10).resolved()
    assert [settings.learning_rate(at) for at in (4, 5)] == [0.1, 0.1 * 0.1]
    constant = TrainSettings(steps=10, schedule="constant").resolved()
    assert {constant.learning_rate(at) for at in range(10)} == {0.1}


def test_settings_pass_all_numbers_on() -> None:
    settings = TrainSettings(steps=100, lr=0.5, schedule="cosine", lr_min=0.1, warmup=10).resolved()
    assert settings.learning_rate(4) == 0.25
    assert settings.learning_rate(55) == pytest.approx(0.3)
    assert settings.learning_rate(99) == pytest.approx(
        0.1 + 0.2 * (1 + math.cos(math.pi * 89 / 90))
    )
