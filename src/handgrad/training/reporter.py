"""How a run reports progress: a bar on a terminal, plain lines elsewhere, TensorBoard."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from handgrad.errors import SettingsError
from handgrad.training.metrics import MetricsRow

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

BAR_SECONDS = 0.2
"""Time between two updates of the bar; rich's own thread would hold the interpreter's lock."""


class Reporter(Protocol):
    """Receives every block of steps, every row of metrics.csv, and other lines for the user."""

    def progress(self, step: int, loss: float) -> None:
        """`step` updates are done; the last batch's loss is `loss`."""

    def row(self, row: MetricsRow) -> None:
        """A row of metrics.csv was written."""

    def say(self, line: str) -> None:
        """Print another line that the user should see."""


class Silent:
    """Reports nothing."""

    def progress(self, step: int, loss: float) -> None:
        pass

    def row(self, row: MetricsRow) -> None:
        pass

    def say(self, line: str) -> None:
        pass


class ReporterGroup:
    """Passes everything on to several reporters, in order."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = tuple(reporters)

    def progress(self, step: int, loss: float) -> None:
        for reporter in self._reporters:
            reporter.progress(step, loss)

    def row(self, row: MetricsRow) -> None:
        for reporter in self._reporters:
            reporter.row(row)

    def say(self, line: str) -> None:
        for reporter in self._reporters:
            reporter.say(line)


class Lines:
    """Prints one plain line per row."""

    def __init__(self, say: Callable[[str], None], steps: int) -> None:
        self.say = say
        self._steps = steps

    def progress(self, step: int, loss: float) -> None:
        pass

    def row(self, row: MetricsRow) -> None:
        self.say(row_line(row, self._steps))


class Bar:
    """A progress bar with the rows above it."""

    def __init__(self, progress: "Progress", task: "TaskID", lines: Lines) -> None:
        self._progress, self._task, self._lines = progress, task, lines
        self._drawn = 0.0

    def progress(self, step: int, loss: float) -> None:
        now = time.monotonic()
        if now - self._drawn >= BAR_SECONDS:
            self._drawn = now
            self._progress.update(self._task, completed=step, loss=f"{loss:.4f}", refresh=True)

    def row(self, row: MetricsRow) -> None:
        self._progress.update(self._task, completed=row.step)
        self._lines.row(row)

    def say(self, line: str) -> None:
        self._lines.say(line)


class TqdmBar:
    """A bar on the console or in a notebook, with the latest losses beside it."""

    def __init__(self, steps: int, done: int) -> None:
        from tqdm.auto import tqdm

        self._bar = tqdm(total=steps, initial=done, unit=" steps", smoothing=0.1)

    def progress(self, step: int, loss: float) -> None:
        self._bar.update(step - self._bar.n)

    def row(self, row: MetricsRow) -> None:
        losses = {"train": row.train_loss, "val": row.val_loss}
        self._bar.set_postfix({k: f"{x:.4f}" for k, x in losses.items() if x is not None})

    def say(self, line: str) -> None:
        self._bar.write(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()


class TensorBoard:
    """Writes scalars under our tags and makemore's, whose "test" is our val split."""

    def __init__(self, folder: Path, resumed_at: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        purge = resumed_at + 1 if resumed_at else None  # a killed run may have written later rows
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=purge)

    def progress(self, step: int, loss: float) -> None:
        pass

    def row(self, row: MetricsRow) -> None:
        scalars = {
            "Loss/train": row.train_loss,
            "Loss/test": row.val_loss,
            "Loss/val": row.val_loss,
            "Loss/batches": row.loss,
            "lr": row.lr,
        }
        for tag, value in scalars.items():
            if value is not None:
                self._writer.add_scalar(tag, value, row.step)
        self._writer.flush()

    def say(self, line: str) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.close()


def check_tensorboard() -> None:
    """Raise SettingsError if TensorBoard is not installed; call this before a run begins."""
    if find_spec("tensorboard") is None:
        raise SettingsError("tensorboard is not installed: pip install 'handgrad[tensorboard]'")


def row_line(row: MetricsRow, steps: int) -> str:
    """Return a row as text; losses in nats per character."""
    losses = {"batches": row.loss, "train": row.train_loss, "val": row.val_loss}
    shown = "  ".join(f"{name} {loss:.4f}" for name, loss in losses.items() if loss is not None)
    return (
        f"step {row.step:>{len(str(steps))}}/{steps}  lr {row.lr:g}  {shown}  {row.seconds:.1f} s"
    )


@contextmanager
def console_reporter(
    say: Callable[[str], None], steps: int, done: int, to_stderr: bool
) -> Iterator[Reporter]:
    """Yield a progress bar if the output is a terminal, else plain lines printed by `say`."""
    from rich.console import Console

    console = Console(stderr=to_stderr)
    if not console.is_terminal:
        yield Lines(say, steps)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps, loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        # unchanged: a line is not markup, and the terminal wraps it
        above = partial(progress.console.print, markup=False, highlight=False, soft_wrap=True)
        task = progress.add_task("train", total=steps, completed=done, loss="-")
        yield Bar(progress, task, Lines(above, steps))
