"""The weights of a finished run as the start of another one, on other data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handgrad.errors import SettingsError
from handgrad.optim import OPTIMIZERS
from handgrad.training.backends import backend_of
from handgrad.training.checkpoint import load
from handgrad.training.folder import open_run
from handgrad.training.settings import TrainSettings
from handgrad.training.state import Checkpoint, Numbers

if TYPE_CHECKING:
    from handgrad.data import Vocabulary
    from handgrad.models import Model


@dataclass(frozen=True)
class StartingWeights:
    """Parameters and running statistics as arrays, of the run and the step in `origin`."""

    model: "Model"
    vocabulary: "Vocabulary"
    source: str
    """The data that they were trained on."""
    params: Numbers
    state: Numbers
    origin: dict[str, Any]

    def start(self, settings: TrainSettings) -> Checkpoint:
        """Return a run before its first step; the optimizer starts anew."""
        numbers = backend_of(settings.engine).numbers
        params, state = (numbers(arrays, settings) for arrays in (self.params, self.state))
        return Checkpoint(0, params, state, OPTIMIZERS[settings.optimizer].tensors(params))


def weights_of(folder: Path, given: Mapping[str, Any]) -> StartingWeights:
    """Return the weights of the run in `folder`.

    `given` are the options of the new run. Raises SettingsError if they choose another model, sizes
    or an initialisation, RunError as `open_run` and `load` do.
    """
    run = open_run(folder)
    if "init" in given:
        raise SettingsError("--init-from takes the parameters of a run: leave out --init")
    there = {"model": run.model.name, **asdict(run.model)}  # type: ignore[call-overload]
    for name, value in given.items():
        if name in there and there[name] != value:
            raise SettingsError(
                f"{folder}: its {name} is {there[name]}, not {value}: "
                f"leave out --{name.replace('_', '-')}, or train without --init-from"
            )
    at = load(folder, run.model, engine="compiled")  # as arrays
    origin = {"run": str(folder.resolve()), "step": at.step}
    state = running(run.model, at.state)
    return StartingWeights(run.model, run.vocabulary, run.source, at.params, state, origin)


def running(model: "Model", state: Numbers) -> Numbers:
    """Return `state` without calibrated statistics, which belong to the parameters at the end."""
    return {name: state[name] for name in model.state_shapes()}
