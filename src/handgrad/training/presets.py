"""PRESETS: name -> a model, its sizes and settings that go well together."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from handgrad.errors import SettingsError
from handgrad.training.settings import TrainSettings

PRESETS: dict[str, Mapping[str, Any]] = {
    # below 2.0 nats per character on makemore's names in seconds, on one core
    "fast": {
        "model": "gru",
        "n_embd": 48,
        "n_hidden": 128,
        "dropout": 0.1,
        "batch_size": 16,
        "steps": 11_000,
        "optimizer": "adamw",
        "lr": 0.007,
        "weight_decay": 0.0,
        "beta2": 0.99,
        "schedule": "linear",
        "warmup": 100,
    },
}


def with_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return `given` with what its preset adds; what is given by name wins.

    Epochs replace the steps of a preset, and the run that training starts from its model and sizes.
    A run of few steps has no more steps of warm-up.
    Raises SettingsError for an unknown preset.
    """
    rest = {name: value for name, value in given.items() if name != "preset"}
    if "preset" not in given:
        return rest
    if given["preset"] not in PRESETS:
        raise SettingsError(f"unknown preset {given['preset']}; known: {', '.join(PRESETS)}")
    preset = dict(PRESETS[given["preset"]])
    if "epochs" in rest:
        preset.pop("steps", None)
    if isinstance(steps := rest.get("steps"), int) and steps < preset.get("warmup", 0):
        preset["warmup"] = max(0, steps)
    if "init_from" in rest:
        settings = {one.name for one in fields(TrainSettings)}
        preset = {name: value for name, value in preset.items() if name in settings}
    return {**preset, **rest}
