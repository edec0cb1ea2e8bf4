"""Training from Python: one line trains, and the run that it returns evaluates and samples.

run = handgrad.train("names.txt", model="gru", steps=20000)
run.losses["val"]; run.evaluate(); run.sample(20, prefix="an")
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from handgrad.data import SPLITS
from handgrad.errors import SettingsError
from handgrad.sample import Sampling, sample
from handgrad.training import checkpoint as checkpoints
from handgrad.training.backends import backend_of
from handgrad.training.chosen import chosen
from handgrad.training.evaluate import EvaluationData, split_loss, with_statistics
from handgrad.training.folder import RunFolder, check_free, open_run
from handgrad.training.loop import train as train_loop
from handgrad.training.metrics import read_metrics
from handgrad.training.reporter import Reporter, Silent, TqdmBar
from handgrad.training.settings import TrainSettings
from handgrad.training.start import begin, resume, training_data

if TYPE_CHECKING:
    from handgrad.models import Model
    from handgrad.training.state import Checkpoint

Losses = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, repr=False)
class Run:
    """A run in its folder, trained or in training; every property reads the folder."""

    folder: Path

    @property
    def model(self) -> "Model":
        """The model: its sizes and calls."""
        return self._opened.model

    @property
    def settings(self) -> TrainSettings:
        """How it is trained."""
        return self._opened.settings

    @property
    def step(self) -> int:
        """The number of updates in the last checkpoint."""
        return self._at.step

    @property
    def finished(self) -> bool:
        """Whether training has reached its end."""
        return self._at.finished

    @property
    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        """The parameters by name, as NumPy arrays."""
        return {name: np.asarray(value) for name, value in self._at.params.items()}

    @property
    def losses(self) -> Losses:
        """metrics.csv as arrays by name: step, lr, loss (of the batches), train, val, seconds.

        Losses are in nats per character; NaN where a split is empty.
        """
        rows = read_metrics(self.folder)
        columns = {
            "step": [row.step for row in rows],
            "lr": [row.lr for row in rows],
            "loss": [row.loss for row in rows],
            "train": [row.train_loss for row in rows],
            "val": [row.val_loss for row in rows],
            "seconds": [row.seconds for row in rows],
        }
        return {name: np.array(column, np.float64) for name, column in columns.items()}

    def evaluate(self, split: str | None = None) -> dict[str, float | None]:
        """Return the loss of each split, or of one, in nats per character; None if it is empty.

        Raises DataError if the words that it was trained on are gone or have changed.
        """
        if split is not None and split not in SPLITS:
            raise SettingsError(f"unknown split {split}; known: {', '.join(SPLITS)}")
        run, at = self._opened, self._at
        data = EvaluationData(training_data(run), run.model, run.vocabulary)
        state = with_statistics(run.model, at.state, None)
        losses = {}
        with backend_of(run.settings.engine).threads(None, run):
            for name in (split,) if split else SPLITS:
                loss = split_loss(run.model, at.params, state, data, name)
                losses[name] = loss.nats if loss else None
        return losses

    def sample(
        self,
        n: int = 20,
        *,
        prefix: str = "",
        seed: int = 42,
        temperature: float = 1.0,
        top_k: int | None = None,
        max_length: int = Sampling.max_length,
    ) -> list[str]:
        """Return `n` words that begin with `prefix`; word i depends on (seed, i) alone."""
        run, at = self._opened, self._at
        how = Sampling(seed, temperature, top_k, prefix, max_length)
        with backend_of(run.settings.engine).threads(1, run):
            words = sample(run.model, at.params, at.state, run.vocabulary, n, how)
        return [word.text for word in words]

    def resume(self, *, steps: int | None = None, progress: bool = True) -> Self:
        """Continue to the end, or to `steps`; the bits are those of an uninterrupted run."""
        given = {} if steps is None else {"steps": steps}
        with resume(self.folder, given, say=_say) as (run, dataset, start):
            _train(run, dataset, start, progress=progress)
        return self

    def __repr__(self) -> str:
        run, at = self._opened, self._at
        val = self.losses["val"]
        loss = f", val {val[-1]:.4f}" if len(val) and np.isfinite(val[-1]) else ""
        of = "" if at.finished else f" of {run.settings.steps}"
        return (
            f"Run({str(self.folder)!r}: {run.model.name}, {run.model.n_parameters} parameters, "
            f"step {at.step}{of}{loss})"
        )

    @property
    def _opened(self) -> RunFolder:
        return open_run(self.folder)

    @property
    def _at(self) -> "Checkpoint":
        run = self._opened
        return checkpoints.load(self.folder, run.model, engine=run.settings.engine)


def train(
    data: str | Path | None = None,
    *,
    model: str | None = None,
    preset: str | None = None,
    init_from: str | Path | None = None,
    out: str | Path | None = None,
    verify: bool = False,
    progress: bool = True,
    **given: Any,
) -> Run:
    """Train `model` on a text file, one item per line, and return its run.

    `data` may also be "names" (embedded, the default) or "makemore" (downloaded once). `model` is a
    name in MODELS, by default mlp; `preset` a model with sizes and settings, such as "fast"; with
    `init_from`, a run's folder, training starts from its model and weights. `given` are the sizes
    of the model, such as n_embd=16, and settings of TrainSettings, such as steps=1000 or lr=0.01;
    what is not given has the model's default. The run is in the folder `out`, by default the next
    free runs/<data>-<n>. Its gradients are verified before the first step, or were verified before
    on this machine; with `verify`, they are verified again. `progress` shows a bar.

    Ctrl-C finishes the step and saves; the run that is returned can `resume`. Raises SettingsError
    for an unknown or invalid value, DataError, GradientError, RunError.
    """
    source = None if data is None else str(data)
    named = {"data": source, "model": model, "preset": preset, "init_from": init_from, **given}
    settings, dataset, made, weights = chosen({k: x for k, x in named.items() if x is not None})
    folder = None if out is None else Path(out)
    if folder is not None:
        check_free(folder)
    begun = begin(settings, made, dataset, folder, verify=verify, say=_say, weights=weights)
    with begun as (run, start):
        _train(run, dataset, start, progress=progress)
    return Run(run.folder)


def load(folder: str | Path) -> Run:
    """Return the run in `folder`. Raises RunError if there is none."""
    run = Run(Path(folder))
    run._opened  # noqa: B018  # raises here, not at first use
    return run


def _train(run: RunFolder, dataset: Any, start: "Checkpoint", *, progress: bool) -> None:
    with _reporter(run, start, progress=progress) as reporter:
        result = train_loop(run, dataset, start, reporter)
    if not result.finished:
        _say(
            f"stopped after step {result.steps} of {run.settings.steps}; resume with: "
            f"handgrad.load({str(run.folder)!r}).resume()"
        )


@contextmanager
def _reporter(run: RunFolder, start: "Checkpoint", *, progress: bool) -> Iterator[Reporter]:
    if not progress:
        yield Silent()
        return
    with TqdmBar(run.settings.steps, start.step) as bar:
        yield bar


def _say(line: str) -> None:
    print(line, file=sys.stderr)
