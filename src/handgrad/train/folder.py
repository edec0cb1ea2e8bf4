"""A run folder: what is in it, and how one is made, opened and named.

config.json            what was trained: model, vocabulary, data, versions; never changes
train.json             how: the settings, and the step of the last checkpoint for whoever reads it
model.safetensors      parameters and state, with the step that they belong to (checkpoint.py)
optimizer-N.safetensors  the optimizer's tensors of the same step N
metrics.csv, loss.png  the losses on the way

Nothing in it is pickled, and every file but metrics.csv is replaced whole.
"""

import fcntl
import json
import os
import platform
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handgrad import __version__
from handgrad.errors import HandgradError, RunError, SettingsError
from handgrad.files import write_json
from handgrad.train.settings import TrainSettings

if TYPE_CHECKING:
    from handgrad.data import Batches, Dataset, Vocabulary
    from handgrad.models import Model

FORMAT = 1
"""Version of the folder's layout; a folder of a higher one is not read."""


@dataclass(frozen=True)
class Run:
    """A run folder, opened: everything but the tensors."""

    folder: Path
    model: "Model"
    vocabulary: "Vocabulary"
    settings: TrainSettings
    source: str
    """Where the data came from: "names", "makemore" or a path."""
    fingerprint: str

    @property
    def resume_command(self) -> str:
        """What a user types to go on."""
        return f"handgrad train --resume --out {self.quoted}"

    @property
    def quoted(self) -> str:
        """The folder as a shell takes it."""
        return shlex.quote(str(self.folder))


def batches_of(run: Run, dataset: "Dataset") -> "Batches":
    """The batches that a run trains on."""
    from handgrad.data import Batches

    settings = run.settings
    return Batches(dataset, "train", settings.batch_size, run.model.block_size, settings.seed)


def check_free(out: Path) -> None:
    """Raise RunError unless a run may be made in `out`: a folder that is empty or not there."""
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file: choose a folder with --out")
    if out.is_dir() and any(out.iterdir()):
        raise RunError(
            f"{out} exists and is not empty: "
            "go on with it by --resume, or choose another folder with --out"
        )


def make_folder(out: Path | None, data_name: str) -> Path:
    """Make the folder of a new run: `out`, or the next free runs/<data name>-<n>.

    Raises RunError where `out` is not free, or no folder can be made there.
    """
    try:
        if out is None:
            return _next_free(Path("runs"), data_name)
        check_free(out)
        out.mkdir(parents=True, exist_ok=True)
        return out
    except OSError as error:
        place = out or Path("runs")
        raise RunError(f"cannot make the run folder {place}: {error.strerror}") from error


def _next_free(parent: Path, data_name: str) -> Path:
    parent.mkdir(exist_ok=True)
    for number in count(1):
        with suppress(FileExistsError):  # another run's, or one that began this moment
            folder = parent / f"{data_name}-{number}"
            folder.mkdir()
            return folder
    raise AssertionError("counting does not end")


def write_run(run: Run) -> None:
    """Write config.json and train.json of a run that has not begun. Raises RunError."""
    config = {
        "format": FORMAT,
        "model": {"name": run.model.name, **asdict(run.model)},  # type: ignore[call-overload]
        "vocabulary": list(run.vocabulary.symbols),
        "data": {"source": run.source, "fingerprint": run.fingerprint},
        "versions": versions(),
    }
    write_json(run.folder / "config.json", config)
    write_progress(run, 0)


def write_progress(run: Run, step: int) -> None:
    """Write train.json: the settings and the step of the last checkpoint. Raises RunError."""
    content = {"format": FORMAT, "settings": run.settings.to_json(), "step": step}
    write_json(run.folder / "train.json", content)


def open_run(folder: Path) -> Run:
    """Read a run folder's config.json and train.json.

    Raises RunError where the folder or a file of it is missing, damaged, foreign or newer.
    """
    from handgrad.data import Vocabulary

    if not folder.is_dir():
        raise RunError(f"{folder} is no run folder: name one that `handgrad train` made")
    config, train = _read(folder / "config.json"), _read(folder / "train.json")
    try:
        return Run(
            folder=folder,
            model=_model(config["model"]),
            vocabulary=Vocabulary(tuple(config["vocabulary"])),
            settings=TrainSettings.from_json(train["settings"]),
            source=config["data"]["source"],
            fingerprint=config["data"]["fingerprint"],
        )
    except (KeyError, TypeError, AttributeError, HandgradError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise RunError(
            f"{folder}: config.json and train.json do not describe a run ({what}): "
            "restore them, or train anew in another folder"
        ) from error


def _model(content: dict[str, Any]) -> "Model":
    from handgrad.models import MODELS

    sizes = dict(content)
    name = sizes.pop("name")
    if name not in MODELS:
        raise SettingsError(f"unknown model {name}; known: {', '.join(MODELS)}")
    return MODELS[name](**sizes)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(
            f"{path.parent} is no run folder (it has no {path.name}): "
            "name one that `handgrad train` made"
        ) from error
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # no UTF-8, no JSON
        raise RunError(f"{path} is damaged (no JSON): restore it, or train anew") from error
    if not isinstance(content, dict) or "format" not in content:
        raise RunError(f"{path} was not written by handgrad: name another folder")
    if not isinstance(content["format"], int) or content["format"] > FORMAT:
        raise RunError(newer(path, content["format"]))
    return content


def newer(path: Path, found: object) -> str:
    """The line for a file of a later format than this handgrad's."""
    return (
        f"{path} has format {found}, this handgrad {__version__} reads up to {FORMAT}: "
        "upgrade handgrad"
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` against a second process that trains in it. Raises RunError where one does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(
                f"{folder} is in use by another handgrad train: wait for it, or stop it"
            ) from error
        except OSError:
            pass  # a file system without locks; then nothing guards, as before locks were asked for
        yield
    finally:
        os.close(descriptor)


def versions() -> dict[str, str]:
    """Versions that a run's bits may depend on; from the packages' metadata, which is no import."""
    packages = {name: metadata.version(name) for name in ("torch", "numpy", "numba")}
    return {"handgrad": __version__, "python": platform.python_version(), **packages}
