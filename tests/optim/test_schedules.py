"""Learning rates by step."""

from handgrad.optim import SCHEDULES
from handgrad.train.settings import TrainSettings


def test_step_decays_at_its_step() -> None:
    rates = [SCHEDULES["step"](0.1, 0.1, 5, at) for at in (0, 4, 5, 9)]
    assert rates == [0.1, 0.1, 0.1 * 0.1, 0.1 * 0.1]


def test_constant() -> None:
    assert {SCHEDULES["constant"](0.1, 0.1, 5, at) for at in range(10)} == {0.1}


def test_every_schedule_is_positive() -> None:
    for name, lr in SCHEDULES.items():
        assert all(lr(0.1, 0.1, 5, at) > 0 for at in range(10)), name


def test_settings_decay_after_half_of_the_steps() -> None:
    settings = TrainSettings(steps=10).resolved()
    assert [settings.learning_rate(at) for at in (4, 5)] == [0.1, 0.1 * 0.1]
    constant = TrainSettings(steps=10, schedule="constant").resolved()
    assert {constant.learning_rate(at) for at in range(10)} == {0.1}
