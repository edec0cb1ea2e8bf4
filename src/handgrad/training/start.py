"""How a run begins and how it resumes: everything is checked before anything is written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handgrad.errors import DataError, SettingsError
from handgrad.training import checkpoint as checkpoints
from handgrad.training.backends import backend_of
from handgrad.training.backends.protocol import Say
from handgrad.training.folder import (
    RunFolder,
    locked,
    make_folder,
    open_run,
    write_progress,
    write_run,
)
from handgrad.training.needs import check_needs
from handgrad.training.prepare import check_settings, examples, fresh, verify_gradients
from handgrad.training.settings import TrainSettings
from handgrad.training.state import Checkpoint, Weights
from handgrad.training.weights import StartingWeights, running

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.models import Model


def _silent(line: str) -> None:
    """Print nothing."""


@contextmanager
def begin(
    settings: TrainSettings,
    model: "Model",
    dataset: "Dataset",
    out: Path | None,
    *,
    verify: bool = True,
    say: Say = _silent,
    weights: StartingWeights | None = None,
) -> Iterator[tuple[RunFolder, Checkpoint]]:
    """Begin a run in `out` or the next free folder, which is locked against other processes.

    With `weights` it starts from another run's parameters, whose model and vocabulary it has.
    Without `verify`, gradients of compiled kernels that were verified before are not verified
    again. `say` receives a line before anything slow. Raises SettingsError, GradientError if a
    verified gradient is wrong, and RunError for a folder that is not free or not writable; then no
    folder is left behind.
    """
    settings = settings.over(examples(model, dataset)).resolved()
    settings = replace(settings, init=settings.init or model.default_init)
    check_settings(settings, model, dataset)
    start = fresh(model, settings) if weights is None else weights.start(settings)
    run = RunFolder(
        Path(), model, dataset.vocabulary, settings, dataset.source, dataset.fingerprint
    )
    backend = backend_of(settings.engine)
    backend.compile(run, say)
    with backend.threads(settings.threads, run):
        verify_gradients(run, start, dataset, again=verify)
        there_before = out is not None and out.is_dir()
        folder = make_folder(out, Path(dataset.source).stem)
        run = replace(run, folder=folder)
        with locked(folder):
            try:
                write_run(run, weights.origin if weights else None)
                checkpoints.save(folder, start)
            except BaseException:  # including Ctrl-C
                _remove(folder, keep=there_before)
                raise
            yield run, start


@contextmanager
def resume(
    folder: Path, given: Mapping[str, Any], *, verify: bool = True, say: Say = _silent
) -> Iterator[tuple[RunFolder, "Dataset", Checkpoint]]:
    """Resume a run at its last checkpoint; its folder is locked against other processes.

    `given` are the settings, sizes and `data` that the user named. They must equal the folder's,
    except for `steps` and for settings that change no bit: the run then continues to that step,
    even if it was finished. Its other settings stay, such as the step of the learning rate's decay.

    Raises SettingsError that names each difference, DataError if the words differ, RunError,
    GradientError.
    """
    from handgrad.engine.device import require_device

    run = open_run(folder)
    backend = backend_of(run.settings.engine)
    changeable = ("steps", *backend.CHANGEABLE)
    changed = {name: given[name] for name in changeable if name in given}
    run = replace(run, settings=replace(run.settings, **changed))
    differences = [*_differences(run, given)]
    if differences:
        raise SettingsError(
            f"{folder} began with other settings: {'; '.join(differences)}: "
            "leave them out to resume, or train in another folder"
        )
    dataset = training_data(run, given.get("data"))
    require_device(run.settings.device)
    check_needs(run.model, run.settings)
    settings = run.settings
    with locked(folder), backend.threads(settings.threads, run):
        start = checkpoints.load_to_resume(
            folder, run.model, settings.device, settings.optimizer, settings.engine
        )
        if settings.steps < start.step:
            raise SettingsError(
                f"{folder} is at step {start.step}: choose --steps {start.step} or more"
            )
        backend.compile(run, say)
        if start.step < settings.steps:
            verify_gradients(run, start, dataset, again=verify)
            start = _going_on(run, start)
        if "steps" in given:
            write_progress(run, start.step)
        yield run, dataset, start


def _going_on(run: RunFolder, start: Checkpoint) -> Checkpoint:
    """Return a checkpoint from which training goes on, also one of a finished run.

    Weights that a finished run kept as its best ones are the best so far again.
    """
    state, best = running(run.model, start.state), start.best
    if start.weights_of is not None:
        best = Weights(start.params, state).copied()
    return replace(start, finished=False, state=state, best=best, weights_of=None)


def training_data(run: RunFolder, source: str | None = None) -> "Dataset":
    """Return the words that `run` was trained on, from their first location or from `source`.

    Raises DataError if they cannot be read or are not the same.
    """
    from handgrad.data import open_dataset

    dataset = open_dataset(source or run.source)
    if dataset.fingerprint != run.fingerprint:
        raise DataError(
            f"{dataset.source} does not hold the words that {run.folder} was trained on "
            f"(fingerprint {dataset.fingerprint[:12]}, expected {run.fingerprint[:12]}): "
            "name the right file with --data"
        )
    return dataset.in_symbols_of(run.vocabulary)  # another run's, after --init-from


def _differences(run: RunFolder, given: Mapping[str, Any]) -> Iterator[str]:
    sizes: dict[str, Any] = asdict(run.model)  # type: ignore[call-overload]
    recorded = {"model": run.model.name, **sizes, **run.settings.to_json()}
    for name, value in given.items():
        there = recorded.get(name)
        if name != "data" and there != value:
            yield f"{name} is {_shown(there)} in the folder, {_shown(value)} here"


def _shown(value: object) -> str:
    if value is None:
        return "not given"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value}"


def _remove(folder: Path, *, keep: bool) -> None:
    for path in folder.iterdir():
        path.unlink()
    if not keep:
        folder.rmdir()
