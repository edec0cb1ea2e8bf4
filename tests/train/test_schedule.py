"""Learning rates by step."""

from handgrad.train.schedule import SCHEDULES
from handgrad.train.settings import TrainSettings


def test_step_changes_at_its_step() -> None:
    settings = TrainSettings(steps=10).resolved()
    assert [SCHEDULES["step"](settings, at) for at in (0, 4, 5, 9)] == [
        0.1,
        0.1,
        0.1 * 0.1,
        0.1 * 0.1,
    ]


def test_constant() -> None:
    settings = TrainSettings(steps=10, schedule="constant").resolved()
    assert {SCHEDULES["constant"](settings, at) for at in range(10)} == {0.1}


def test_every_schedule_is_positive() -> None:
    settings = TrainSettings(steps=10).resolved()
    for name, lr in SCHEDULES.items():
        assert all(lr(settings, at) > 0 for at in range(10)), name
