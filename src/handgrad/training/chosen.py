"""From what a user names to settings, data and a model: the command line and Python share it."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from handgrad.errors import SettingsError
from handgrad.training.presets import with_preset
from handgrad.training.settings import TrainSettings, check_given

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.models import Model
    from handgrad.training.weights import StartingWeights


class Chosen(NamedTuple):
    """What a run begins with; `weights` are another run's, or None."""

    settings: TrainSettings
    dataset: "Dataset"
    model: "Model"
    weights: "StartingWeights | None" = None


def chosen(given: Mapping[str, Any]) -> Chosen:
    """Return what a run begins with.

    `given` has data, model, preset, init_from, the sizes of the model and settings; what is missing
    has the model's default. Raises SettingsError for an unknown name or an invalid value,
    DataError, and RunError for the run in init_from.
    """
    from handgrad.data import open_dataset
    from handgrad.models import default_settings, make_model, reads_to_the_longest

    given = with_preset(given)
    if "init_from" in given:
        return _from_run(given)
    name = given.get("model", "mlp")
    sizes, rest = _sorted(name, given)
    settings = TrainSettings(**{**default_settings(name), **rest})  # before the data: it may be
    dataset = open_dataset(given.get("data", "names"))  # large, and reading it takes a while
    longest = dataset.longest if reads_to_the_longest(name, sizes) else 0
    model = make_model(name, dataset.vocabulary.size, longest, sizes)
    return Chosen(settings, dataset, model)


def _from_run(given: Mapping[str, Any]) -> Chosen:
    """Return settings, data and another run's weights. Raises SettingsError for other sizes."""
    from handgrad.data import open_dataset
    from handgrad.models import default_settings
    from handgrad.training.weights import weights_of

    weights = weights_of(Path(given["init_from"]), given)
    name = weights.model.name
    _, rest = _sorted(name, given)
    settings = TrainSettings(**{**default_settings(name), **rest})
    dataset = open_dataset(given.get("data", weights.source))
    return Chosen(settings, dataset.in_symbols_of(weights.vocabulary), weights.model, weights)


def _sorted(model: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the sizes of the model and the settings. Raises SettingsError for another name."""
    from handgrad.models import SIZES, sizes_of

    has, settings = sizes_of(model), [one.name for one in fields(TrainSettings)]
    rest = {k: x for k, x in given.items() if k not in ("data", "model", "init_from")}
    for name in rest:
        if name not in (*has, *settings):
            if name in SIZES:
                raise SettingsError(f"model {model} has no {name}; it has {', '.join(has)}")
            known = f"sizes of {model}: {', '.join(has)}; settings: {', '.join(settings)}"
            raise SettingsError(f"unknown {name}; {known}")
    check_given(given)
    return (
        {name: value for name, value in rest.items() if name in has},
        {name: value for name, value in rest.items() if name not in has},
    )
