"""Settings: defaults, JSON, and one line for each invalid value."""

import json

import pytest

from handgrad.errors import SettingsError
from handgrad.training.settings import TrainSettings, check_given


def test_lecture_defaults() -> None:
    settings = TrainSettings().resolved()
    assert (settings.steps, settings.batch_size, settings.optimizer) == (200_000, 32, "sgd")
    assert (settings.lr, settings.lr_decay, settings.lr_decay_at) == (0.1, 0.1, 100_000)
    assert settings.weight_decay == 0.0


@pytest.mark.parametrize(
    ("steps", "rows"), [(1, 1), (10, 10), (1000, 10), (20_000, 20), (200_000, 50)]
)
def test_number_of_evaluations(steps: int, rows: int) -> None:
    every = TrainSettings(steps=steps).resolved().eval_every
    assert every is not None
    assert steps // every == rows


def test_given_values_are_kept() -> None:
    settings = TrainSettings(lr=0.5, lr_decay_at=0, weight_decay=0.1, eval_every=7)
    assert settings.resolved().resolved() == settings.resolved()
    assert (settings.resolved().lr_decay_at, settings.resolved().eval_every) == (0, 7)
    assert (settings.resolved().lr, settings.resolved().weight_decay) == (0.5, 0.1)


def test_defaults_follow_the_optimizer() -> None:
    settings = TrainSettings(optimizer="adamw").resolved()
    assert (settings.lr, settings.weight_decay) == (0.001, 0.01)


def test_json_round_trip() -> None:
    settings = TrainSettings(steps=3, lr=0.1, optimizer="adamw").resolved()
    assert TrainSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_unknown_name_in_json() -> None:
    with pytest.raises(
        SettingsError, match=r"^unknown setting speed; known: accumulate, batch_size,"
    ):
        TrainSettings.from_json({"speed": 1})


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("steps", 0, "steps is 0; it must be at least 1"),
        ("steps", 1.5, "steps is 1.5; it must be a whole number"),
        ("steps", True, "steps is True; it must be a whole number"),
        ("batch_size", 0, "batch_size is 0; it must be at least 1"),
        ("batch_size", -4, "batch_size is -4; it must be at least 1"),
        ("lr", 0.0, "lr is 0.0; it must be more than zero"),
        ("lr", float("nan"), "lr is nan; it must be a finite number"),
        ("lr", "fast", "lr is 'fast'; it must be a finite number"),
        ("lr_decay", -0.1, "lr_decay is -0.1; it must be more than zero"),
        ("lr_decay_at", -1, "lr_decay_at is -1; it must be at least 0"),
        ("weight_decay", -1.0, "weight_decay is -1.0; it must be zero or more"),
        ("beta1", 1.0, "beta1 is 1.0; it must be at least 0 and less than 1"),
        ("eps", 0, "eps is 0; it must be more than zero"),
        ("seed", -1, "seed is -1; it must be at least 0"),
        ("seed", 2**63, "seed is 9223372036854775808; it must be at most 9223372036854775807"),
        ("threads", 0, "threads is 0; it must be at least 1"),
        ("eval_every", 0, "eval_every is 0; it must be at least 1"),
        ("checkpoint_every", 0, "checkpoint_every is 0; it must be at least 1"),
        ("verify_every", -1, "verify_every is -1; it must be at least 0"),
        ("optimizer", "lion", "unknown optimizer lion; known: sgd, adam, adamw"),
        ("schedule", "sine", "unknown schedule sine; known: step, constant, linear, cosine"),
        ("epochs", 0, "epochs is 0; it must be at least 1"),
        ("accumulate", 0, "accumulate is 0; it must be at least 1"),
        ("accumulate", 1.5, "accumulate is 1.5; it must be a whole number"),
        ("clip", 0.0, "clip is 0.0; it must be more than zero"),
        ("clip", float("inf"), "clip is inf; it must be a finite number"),
        ("warmup", -1, "warmup is -1; it must be at least 0"),
        ("warmup", 10**6, "warmup is 1000000; it must be at most the number of steps, 200000"),
        ("lr_min", -0.1, "lr_min is -0.1; it must be zero or more"),
        (
            "lr_min",
            0.01,
            "lr_min is for the schedules linear and cosine, but the schedule is step",
        ),
        ("patience", 0, "patience is 0; it must be at least 1"),
        ("best", "yes", "best is 'yes'; it must be true or false"),
        ("dtype", "float16", "unknown dtype float16; known: float32, float64"),
    ],
)
def test_invalid_values(name: str, value: object, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        TrainSettings(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value) == line


def test_a_minimum_above_the_learning_rate() -> None:
    line = "lr_min is 0.2; it must be at most lr, 0.1"
    with pytest.raises(SettingsError, match=f"^{line}$"):
        TrainSettings(schedule="cosine", lr_min=0.2)


@pytest.mark.parametrize(
    ("examples", "batch_size", "accumulate", "steps"),
    [(100, 10, 1, 30), (101, 10, 1, 33), (101, 10, 2, 18), (5, 10, 1, 3)],
)
def test_epochs(examples: int, batch_size: int, accumulate: int, steps: int) -> None:
    settings = TrainSettings(epochs=3, batch_size=batch_size, accumulate=accumulate).over(examples)
    assert (settings.steps, settings.epochs) == (steps, 3)
    assert settings.over(examples) == settings
    assert settings.resolved().lr_decay_at == max(1, steps // 2)


def test_a_warm_up_longer_than_the_epochs() -> None:
    settings = TrainSettings(epochs=1, warmup=500_000)  # the data may be large
    line = "warmup is 500000; it must be at most the number of steps, 4"
    with pytest.raises(SettingsError, match=f"^{line}$"):
        settings.over(100)


def test_without_epochs_the_data_changes_nothing() -> None:
    assert TrainSettings(steps=7).over(1000) == TrainSettings(steps=7)


def test_steps_and_epochs() -> None:
    check_given(["steps", "lr"])
    check_given(["epochs"])
    line = "steps and epochs are both given: leave one of them out"
    with pytest.raises(SettingsError, match=f"^{line}$"):
        check_given(["lr", "epochs", "steps"])
