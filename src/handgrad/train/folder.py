"""A run folder: its files, and how it is made, opened and locked.

config.json            what was trained: model, vocabulary, data, versions; never changes
train.json             how: the settings, and the step of the last checkpoint, for readers
model.safetensors      parameters and state, and the step that they belong to (checkpoint.py)
optimizer-N.safetensors  the optimizer's tensors of the same step N
metrics.csv, loss.png  the losses during training

Nothing in it is pickled, and every file except metrics.csv is replaced as a whole.
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

from handgrad.errors import HandgradError, RunError
from handgrad.files import write_json
from handgrad.train.settings import TrainSettings
from handgrad.version import __version__

if TYPE_CHECKING:
    from handgrad.data import Batches, Dataset, Vocabulary, WordBatches
    from handgrad.models import Model

FORMAT = 1
"""Version of the folder's layout; a folder with a higher one is rejected."""


@dataclass(frozen=True)
class RunFolder:
    """An open run folder: everything except the tensors."""

    folder: Path
    model: "Model"
    vocabulary: "Vocabulary"
    settings: TrainSettings
    source: str
    """Where the data came from: "names", "makemore" or a path."""
    fingerprint: str

    @property
    def resume_command(self) -> str:
        """The command that resumes the run."""
        return f"handgrad train --resume --out {self.quoted}"

    @property
    def quoted(self) -> str:
        """The folder, quoted for a shell."""
        return shlex.quote(str(self.folder))


def batches_of(run: RunFolder, dataset: "Dataset") -> "Batches | WordBatches":
    """Return the batches that a run trains on."""
    from handgrad.data import Batches, WordBatches
    from handgrad.models import CONTEXTS

    settings = run.settings
    kind = Batches if run.model.batches == CONTEXTS else WordBatches
    return kind(dataset, "train", settings.batch_size, run.model.block_size, settings.seed)


def check_free(out: Path) -> None:
    """Raise RunError unless `out` is an empty folder or does not exist."""
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file: choose a folder with --out")
    if out.is_dir() and any(out.iterdir()):
        raise RunError(
            f"{out} exists and is not empty: "
            "resume the run with --resume, or choose another folder with --out"
        )


def make_folder(out: Path | None, data_name: str) -> Path:
    """Make the folder of a new run: `out`, or the next free runs/<data name>-<n>.

    Raises RunError if `out` is not free, or if the folder cannot be made.
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
        with suppress(FileExistsError):  # another run's, perhaps one that has just begun
            folder = parent / f"{data_name}-{number}"
            folder.mkdir()
            return folder
    raise AssertionError("count() is endless")


def write_run(run: RunFolder) -> None:
    """Write config.json and train.json of a new run. Raises RunError."""
    config = {
        "format": FORMAT,
        "model": {"name": run.model.name, **asdict(run.model)},  # type: ignore[call-overload]
        "vocabulary": list(run.vocabulary.symbols),
        "data": {"source": run.source, "fingerprint": run.fingerprint},
        "versions": versions(),
    }
    write_json(run.folder / "config.json", config)
    write_progress(run, 0)


def write_progress(run: RunFolder, step: int, **more: Any) -> None:
    """Write train.json: the settings, the step of the last checkpoint, `more`. Raises RunError."""
    content = {"format": FORMAT, "settings": run.settings.to_json(), "step": step, **more}
    write_json(run.folder / "train.json", content)


def open_run(folder: Path) -> RunFolder:
    """Read config.json and train.json of a run folder.

    Raises RunError if the folder or one of the two files is missing, damaged, from another program
    or from a newer handgrad.
    """
    from handgrad.data import Vocabulary

    if not folder.is_dir():
        raise RunError(f"{folder} is not a run folder: name one that `handgrad train` made")
    config, train = _read(folder / "config.json"), _read(folder / "train.json")
    try:
        return RunFolder(
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
            "restore them, or train again in another folder"
        ) from error


def _model(content: dict[str, Any]) -> "Model":
    from handgrad.models import make_model

    sizes = dict(content)
    return make_model(sizes.pop("name"), sizes.pop("vocab_size"), 0, sizes)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(
            f"{path.parent} is not a run folder (it has no {path.name}): "
            "name one that `handgrad train` made"
        ) from error
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # not UTF-8 or not JSON
        raise RunError(f"{path} is damaged (not JSON): restore it, or train again") from error
    if not isinstance(content, dict) or "format" not in content:
        raise RunError(f"{path} was not written by handgrad: name another folder")
    if not isinstance(content["format"], int) or content["format"] > FORMAT:
        raise RunError(newer(path, content["format"]))
    return content


def newer(path: Path, version: object) -> str:
    """Return the message about a file whose format is newer than this handgrad's."""
    return (
        f"{path} has format {version}, this handgrad {__version__} reads up to {FORMAT}: "
        "upgrade handgrad"
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock `folder` against a second process that trains in it. Raises RunError if there is one."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(
                f"{folder} is in use by another handgrad train: wait for it, or stop it"
            ) from error
        except OSError:
            pass  # a file system without locks: the folder stays unguarded
        yield
    finally:
        os.close(descriptor)


def versions() -> dict[str, str]:
    """Return the versions that bits may depend on, read from metadata: nothing is imported."""
    packages = {name: metadata.version(name) for name in ("torch", "numpy", "numba")}
    return {"handgrad": __version__, "python": platform.python_version(), **packages}
