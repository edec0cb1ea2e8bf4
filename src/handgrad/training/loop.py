"""The training loop: batch, gradients, update; at intervals metrics, checkpoint, verification.

Nothing at an interval changes what the steps compute: batches depend on (seed, step) alone and no
random generator is shared. A run that is stopped by Ctrl-C or kill -9 and resumed therefore ends
with the same bits as an uninterrupted one.
"""

import math
import time
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from handgrad.errors import DivergedError
from handgrad.training import checkpoint as checkpoints
from handgrad.training.backends import backend_of
from handgrad.training.evaluate import SAMPLE, EvaluationData, SplitLoss, calibrated, split_loss
from handgrad.training.folder import RunFolder, write_progress
from handgrad.training.interrupt import Stop, stop_on_signal
from handgrad.training.metrics import MetricsFile, MetricsRow, read_metrics
from handgrad.training.picture import draw_losses
from handgrad.training.prepare import verify_gradients
from handgrad.training.reporter import Reporter
from handgrad.training.state import Checkpoint, Weights, all_finite

if TYPE_CHECKING:
    from handgrad.data import Dataset

BLOCK_SECONDS = 0.25
"""Target duration of a block, so that progress is visible and a bad loss is noticed in time."""


@dataclass(frozen=True)
class Result:
    """The end of a run; `losses` by split, in nats per character, once it is finished."""

    run: RunFolder
    steps: int
    seconds: float
    losses: dict[str, SplitLoss | None]
    finished: bool
    weights_of: int | None = None
    """The step of the weights, if the run kept its best ones."""


def train(run: RunFolder, dataset: "Dataset", start: Checkpoint, reporter: Reporter) -> Result:
    """Train from `start` to the end, or to the first Ctrl-C, and save the run in its folder.

    Raises DivergedError if the loss is no longer finite, GradientError if a verified gradient is
    wrong, RunError if the folder is not writable.
    """
    loop = TrainingLoop(run, dataset, start, reporter)
    if not start.finished:
        with stop_on_signal() as stop:
            loop.go(stop)
        if not loop.ended:
            return loop.result({})
        loop.finish()
    return loop.result(loop.losses())


class TrainingLoop:
    """A run between two steps; `step` counts the updates made."""

    def __init__(
        self, run: RunFolder, dataset: "Dataset", start: Checkpoint, reporter: Reporter
    ) -> None:
        settings = run.settings
        self.step = start.step
        self._run, self._settings, self._reporter = run, settings, reporter
        self._dataset = dataset
        self._steps = backend_of(settings.engine).steps(run, dataset, start, reporter.say)
        self._data = EvaluationData(dataset, run.model, run.vocabulary)
        self._totals = start.totals
        self._started = time.monotonic() - start.totals.seconds
        self._saved = start.step
        self._best, self._weights_of = start.best, start.weights_of
        self._block_steps = min(10, self._steps.most)

    @property
    def ended(self) -> bool:
        """Whether no step is left to take: all are taken, or the val loss no longer improves."""
        patience = self._settings.patience
        impatient = patience is not None and self._totals.waited >= patience
        return self.step >= self._settings.steps or impatient

    def go(self, stop: Stop) -> None:
        """Take steps until the last one, or until `stop` is requested, and save a checkpoint."""
        settings = self._settings
        metrics = MetricsFile(self._run.folder, self.step)
        while not self.ended:
            self._block(stop)
            if self._due(settings.eval_every):
                self._add_row(metrics)
            if stop.requested or self.ended or self._due(settings.checkpoint_every):
                self._save()
            if stop.requested:
                return
            if settings.verify_every and self._due(settings.verify_every):
                self._verify()

    def finish(self) -> None:
        """Calibrate batchnorm, draw loss.png and save the last checkpoint, marked as finished.

        It has the best weights if the run keeps them.
        """
        steps, totals = self._steps, self._totals
        if self.step < self._settings.steps:
            self._reporter.say(
                f"finished after step {self.step}: no better val loss than {totals.best_loss:.4f} "
                f"of step {totals.best_step} in {totals.waited} evaluations"
            )
        if self._best is not None:
            steps.params, steps.state = self._best
            self._weights_of, self._best = totals.best_step, None
        steps.state = calibrated(self._run.model, steps.params, steps.state, self._data)
        title = f"{self._run.model.name}, {self._run.model.n_parameters} parameters"
        draw_losses(self._run.folder, title, read_metrics(self._run.folder))
        self._save(finished=True)

    def losses(self) -> dict[str, SplitLoss | None]:
        """Return each split's loss over all of its examples."""
        from handgrad.data import SPLITS

        return {split: self._loss(split) for split in SPLITS}

    def result(self, losses: dict[str, SplitLoss | None]) -> Result:
        """Return the result at the current step; without `losses` the run is not finished."""
        seconds, finished = self._totals.seconds, bool(losses)
        return Result(self._run, self.step, seconds, losses, finished, self._weights_of)

    def _block(self, stop: Stop) -> None:
        """Take a block of steps, then check their losses. Raises DivergedError."""
        began, first = time.monotonic(), self.step
        losses = self._steps.go(first, self._block_end(), stop)
        self.step += len(losses)
        for nth, loss in enumerate(losses):
            if not math.isfinite(loss):
                raise self._diverged(f"the loss is {loss}", first + nth)
        took = max(time.monotonic() - began, 1e-9)  # the clock may not have advanced
        self._block_steps = max(1, min(self._steps.most, int(BLOCK_SECONDS * len(losses) / took)))
        self._totals = replace(
            self._totals,
            seconds=time.monotonic() - self._started,
            # one by one, not sum(): the result must not depend on where blocks end
            loss_sum=reduce(add, losses, self._totals.loss_sum),
            loss_count=self._totals.loss_count + len(losses),
        )
        self._reporter.progress(self.step, losses[-1])

    def _block_end(self) -> int:
        """Return the end of the next block: no later than the next thing that is due."""
        settings, end = self._settings, self.step + self._block_steps
        for every in (settings.eval_every, settings.checkpoint_every, settings.verify_every):
            if every:
                end = min(end, self.step - self.step % every + every)
        return min(end, settings.steps)

    def _due(self, every: int | None) -> bool:
        """Return whether something that happens every `every` steps, and at the end, is due now."""
        assert every is not None
        return self.step % every == 0 or self.step == self._settings.steps

    def _add_row(self, metrics: MetricsFile) -> None:
        totals = self._totals
        train, val = (self._loss(split, SAMPLE) for split in ("train", "val"))
        seconds = time.monotonic() - self._started
        row = MetricsRow(
            self.step,
            self._settings.learning_rate(self.step - 1),
            totals.loss_sum / totals.loss_count,
            train.nats if train else None,
            val.nats if val else None,
            seconds,
        )
        metrics.add(row)
        self._reporter.row(row)
        self._totals = replace(totals, seconds=seconds, loss_sum=0.0, loss_count=0)
        if val and (self._settings.patience or self._settings.best):
            self._compare(val.nats)

    def _compare(self, val: float) -> None:
        """Keep the weights if their loss is the lowest so far."""
        totals = self._totals
        if not math.isfinite(val):
            raise self._diverged(f"the val loss is {val}", self.step)
        if totals.best_loss is not None and val >= totals.best_loss:
            self._totals = replace(totals, waited=totals.waited + 1)
            return
        self._totals = replace(totals, best_loss=val, best_step=self.step, waited=0)
        if self._settings.best:
            self._best = Weights(self._steps.params, self._steps.state).copied()

    def _loss(self, split: str, limit: int | None = None) -> SplitLoss | None:
        steps, model = self._steps, self._run.model
        return split_loss(model, steps.params, steps.state, self._data, split, limit)

    def _verify(self) -> None:
        now = Checkpoint(self.step, self._steps.params, self._steps.state, {})
        verify_gradients(self._run, now, self._dataset)

    def _save(self, finished: bool = False) -> None:
        """Save a checkpoint, but never replace a good one by numbers that are not finite."""
        steps = self._steps
        for name, numbers in (steps.params | steps.state | steps.optimizer).items():
            if not all_finite(numbers):
                raise self._diverged(f"{name} is not finite", self.step)
        totals, best, of = self._totals, self._best, self._weights_of
        content = Checkpoint(
            self.step, steps.params, steps.state, steps.optimizer, finished, totals, best, of
        )
        checkpoints.save(self._run.folder, content)
        self._saved = self.step
        more: dict[str, object] = {"weights_of": of} if of is not None else {}
        if totals.best_loss is not None:
            more["best"] = {"step": totals.best_step, "val_loss": totals.best_loss}
        write_progress(self._run, self.step, **more)

    def _diverged(self, what: str, step: int) -> DivergedError:
        lr = self._settings.learning_rate(step)
        return DivergedError(
            f"{what} after {step} steps at learning rate {lr:g}; the last good checkpoint is "
            f"step {self._saved} in {self._run.folder}: train again with a smaller --lr"
        )
