"""Settings: defaults, JSON, and one line for each invalid value."""

import json

import pytest

from handgrad.errors import SettingsError
from handgrad.train.settings import TrainSettings


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
    with pytest.raises(SettingsError, match=r"^unknown setting speed; known: batch_size, beta1,"):
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
        ("optimizer", "adam", "unknown optimizer adam; known: sgd, adamw"),
        ("schedule", "cosine", "unknown schedule cosine; known: step, constant"),
        ("dtype", "float16", "unknown dtype float16; known: float32, float64"),
    ],
)
def test_invalid_values(name: str, value: object, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        TrainSettings(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value) == line
