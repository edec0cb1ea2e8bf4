"""A run folder: its files, and how it is made, opened and locked.

config.json            what was trained: model, vocabulary, data, versions; never changes
train.json             how: the settings, and the step of the last checkpoint, for readers
model.safetensors      parameters and state, and the step that they belong to (checkpoint.py)
optimizer-N.safetensors  the optimizer's tensors of the same step N
metrics.csv, loss.png  the losses during training

Nothing in it is pickled, and every file except metrics.csv is replaced as a whole. What is loaded
is checked by digest (described.py, checkpoint.py).
"""

import fcntl
import os
import platform
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handgrad.errors import HandgradError, RunError, SettingsError
from handgrad.text import printable
from handgrad.training.described import (
    check_digest,
    check_types,
    read_described,
    shown,
    write_described,
)
from handgrad.training.needs import check_countable
from handgrad.training.settings import TrainSettings, check_names
from handgrad.version import __version__

if TYPE_CHECKING:
    from handgrad.data import Batches, Dataset, Vocabulary, WordBatches
    from handgrad.models import Model


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

    @cached_property
    def is_random(self) -> bool:
        """Whether a layer of the model draws random numbers in training."""
        from handgrad.models import is_random

        return is_random(self.model)

    @property
    def resume_command(self) -> str:
        """The command that resumes the run."""
        return f"handgrad train --resume --out {self.quoted}"

    @property
    def quoted(self) -> str:
        """The folder, quoted for a shell, without characters that control a terminal."""
        path = str(self.folder)
        if (safe := printable(path)) == path:
            return shlex.quote(path)
        # bash reads these escapes; in them \x85 is a byte, not a character
        safe = printable(path.replace("\\", "\\\\").replace("'", "\\'"))
        safe = re.sub(r"\\x([89a-f])", r"\\u00\1", safe)
        return "$'" + re.sub(r"\\udc([89a-f])", r"\\x\1", safe) + "'"


def batches_of(run: RunFolder, dataset: "Dataset") -> "Batches | WordBatches":
    """Return the batches that a run trains on."""
    from handgrad.data import Batches, WordBatches
    from handgrad.models import CONTEXTS

    settings, model = run.settings, run.model
    given = dataset, "train", settings.batch_size, model.block_size, settings.seed
    return Batches(*given, model.padding) if model.batches == CONTEXTS else WordBatches(*given)


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


def write_run(run: RunFolder, origin: dict[str, Any] | None = None) -> None:
    """Write config.json and train.json of a new run. Raises RunError.

    `origin` tells readers which run's weights it starts from.
    """
    config = {
        "model": {"name": run.model.name, **asdict(run.model)},  # type: ignore[call-overload]
        "vocabulary": list(run.vocabulary.symbols),
        "data": {"source": run.source, "fingerprint": run.fingerprint},
        **({"init_from": origin} if origin else {}),
        "versions": versions(),
    }
    write_described(run.folder / "config.json", config)
    write_progress(run, 0)


def write_progress(run: RunFolder, step: int, **more: Any) -> None:
    """Write train.json: the settings, the step of the last checkpoint, `more`. Raises RunError."""
    content = {"settings": run.settings.to_json(), "step": step, **more}
    write_described(run.folder / "train.json", content)


def open_run(folder: Path) -> RunFolder:
    """Read config.json and train.json of a run folder.

    Raises RunError if the folder or one of the two files is missing, damaged, from another program
    or from a newer handgrad.
    """
    if not folder.is_dir():
        raise RunError(f"{folder} is not a run folder: name one that `handgrad train` made")
    paths = folder / "config.json", folder / "train.json"
    config, train = (read_described(path) for path in paths)
    try:
        run = _described(folder, config, train)
    except (KeyError, TypeError, AttributeError, ValueError, HandgradError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise RunError(
            f"{folder}: config.json and train.json do not describe a run ({what}): "
            "restore them, or train again in another folder"
        ) from error
    for path, content in zip(paths, (config, train), strict=True):
        check_digest(path, content)
    return run


@dataclass(frozen=True)
class _Data:
    source: str
    fingerprint: str


def _described(folder: Path, config: dict[str, Any], train: dict[str, Any]) -> RunFolder:
    """Return the run that the two files describe. Raises one of many errors if they do not."""
    data, settings = config["data"], train["settings"]
    check_types(TrainSettings, settings)
    check_types(_Data, data)
    run = RunFolder(
        folder=folder,
        model=_model(config["model"]),
        vocabulary=_vocabulary(config["vocabulary"]),
        settings=TrainSettings.from_json(settings),
        source=data["source"],
        fingerprint=data["fingerprint"],
    )
    check_names(run.settings, run.model)
    check_countable(run.model)
    if run.model.vocab_size != run.vocabulary.size:
        raise SettingsError(
            f"vocab_size is {run.model.vocab_size}, the vocabulary has {run.vocabulary.size}"
        )
    return run


def _vocabulary(symbols: Any) -> "Vocabulary":
    from handgrad.data import Vocabulary
    from handgrad.data.words import CONTROL

    if not isinstance(symbols, list):
        raise SettingsError(f"vocabulary is {shown(symbols)}; it must be a list")
    vocabulary = Vocabulary(tuple(symbols))
    for symbol in vocabulary.symbols:
        if "\ud800" <= symbol <= "\udfff":
            raise SettingsError(f"symbols: {symbol!r} cannot be text")
        if CONTROL.match(symbol):  # as in words files
            raise SettingsError(f"symbols: {symbol!r} is a control character")
    return vocabulary


def _model(content: dict[str, Any]) -> "Model":
    from handgrad.models import MODELS, make_model

    sizes = dict(content)
    name = sizes.pop("name")
    if not isinstance(name, str) or name not in MODELS:
        raise SettingsError(f"unknown model {shown(name)}; known: {', '.join(MODELS)}")
    check_types(MODELS[name], sizes)
    return make_model(name, sizes.pop("vocab_size"), 0, sizes)


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
