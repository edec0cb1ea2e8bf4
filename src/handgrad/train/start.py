"""How a run begins and how it is taken up again: all is checked before anything is written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handgrad.errors import DataError, SettingsError
from handgrad.train import checkpoint as checkpoints
from handgrad.train.checkpoint import Checkpoint
from handgrad.train.folder import Run, locked, make_folder, open_run, write_run
from handgrad.train.prepare import check_settings, fresh, verify_gradients
from handgrad.train.runtime import Say, runtime_of
from handgrad.train.settings import TrainSettings

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.models import Model


def _silent(line: str) -> None:
    """For those who want to be told nothing."""


@contextmanager
def begin(
    settings: TrainSettings,
    model: "Model",
    dataset: "Dataset",
    out: Path | None,
    *,
    verify: bool = True,
    say: Say = _silent,
) -> Iterator[tuple[Run, Checkpoint]]:
    """A new run in `out` or the next free folder, held against other processes.

    Without `verify`, gradients of compiled kernels that were found right before are not looked at
    again. What takes long is told by `say`. Raises SettingsError, GradientError where a verified
    gradient is wrong, and RunError for a folder that is not free or cannot be written; then nothing
    is left of it.
    """
    settings = settings.resolved()
    check_settings(settings, model, dataset)
    start = fresh(model, settings)
    run = Run(Path(), model, dataset.vocabulary, settings, dataset.source, dataset.fingerprint)
    runtime = runtime_of(settings.engine)
    runtime.compile(run, say)
    with runtime.threads(settings.threads, run):
        verify_gradients(run, start, dataset, again=verify)
        there_before = out is not None and out.is_dir()
        folder = make_folder(out, Path(dataset.source).stem)
        run = replace(run, folder=folder)
        with locked(folder):
            try:
                write_run(run)
                checkpoints.save(folder, start)
            except BaseException:  # Ctrl-C too
                _remove(folder, keep=there_before)
                raise
            yield run, start


@contextmanager
def resume(
    folder: Path, given: Mapping[str, Any], *, verify: bool = True, say: Say = _silent
) -> Iterator[tuple[Run, "Dataset", Checkpoint]]:
    """A run taken up at its last checkpoint, held against other processes.

    `given` are settings, sizes and `data` that the user named; the folder's must be the same, but
    for settings that change no bit. Raises SettingsError naming each that is not, DataError where
    the words are others, RunError, GradientError.
    """
    from handgrad.engine.device import require_device

    run = open_run(folder)
    runtime = runtime_of(run.settings.engine)
    changed = {name: given[name] for name in runtime.CHANGEABLE if name in given}
    run = replace(run, settings=replace(run.settings, **changed))
    differences = [*_differences(run, given)]
    if differences:
        raise SettingsError(
            f"{folder} was begun with other settings: {'; '.join(differences)}: "
            "leave them out to go on, or train in another folder"
        )
    dataset = training_data(run, given.get("data"))
    require_device(run.settings.device)
    settings = run.settings
    with locked(folder), runtime.threads(settings.threads, run):
        start = checkpoints.load_to_resume(
            folder, run.model, settings.device, settings.optimizer, settings.engine
        )
        runtime.compile(run, say)
        if start.step < settings.steps:
            verify_gradients(run, start, dataset, again=verify)
        yield run, dataset, start


def training_data(run: Run, source: str | None = None) -> "Dataset":
    """The words that `run` was trained on, from where they were or from `source`.

    Raises DataError where they cannot be read or are not the same.
    """
    from handgrad.data import open_dataset

    dataset = open_dataset(source or run.source)
    if dataset.fingerprint != run.fingerprint:
        raise DataError(
            f"{dataset.source} does not hold the words that {run.folder} was trained on "
            f"(fingerprint {dataset.fingerprint[:12]}, expected {run.fingerprint[:12]}): "
            "name the file that does with --data"
        )
    return dataset


def _differences(run: Run, given: Mapping[str, Any]) -> Iterator[str]:
    recorded = asdict(run.model) | run.settings.to_json()  # type: ignore[call-overload]
    for name, value in given.items():
        if name != "data" and recorded[name] != value:
            yield f"{name} is {_shown(recorded[name])} there, {_shown(value)} here"


def _shown(value: object) -> str:
    if value is None:
        return "not given"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value}"


def _remove(folder: Path, *, keep: bool) -> None:
    for path in folder.iterdir():
        path.unlink()
    if not keep:
        folder.rmdir()
