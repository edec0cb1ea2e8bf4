"""Before the first step: settings that cannot work are named, a batch's gradients are verified."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from handgrad.errors import GradientError, SettingsError
from handgrad.train.checkpoint import Checkpoint
from handgrad.train.folder import Run
from handgrad.train.optimizer import OPTIMIZERS
from handgrad.train.settings import TrainSettings

if TYPE_CHECKING:
    from handgrad.data import Batches, Dataset
    from handgrad.models import Model


def check_settings(settings: TrainSettings, model: "Model", dataset: "Dataset") -> None:
    """Raise SettingsError where settings, model and data do not go together on this machine."""
    from handgrad.engine import ENGINES
    from handgrad.engine.core import require_device
    from handgrad.models import INITIALISATIONS

    for name, table in (("engine", ENGINES), ("init", INITIALISATIONS)):
        if getattr(settings, name) not in table:
            raise SettingsError(
                f"unknown {name} {getattr(settings, name)}; known: {', '.join(table)}"
            )
    if settings.batch_size == 1 and model.needs_two_rows:
        raise SettingsError(
            "batch_size is 1 and the model has batchnorm, whose variance divides by n - 1 = 0: "
            "use --batch-size 2 or more, or --no-batchnorm"
        )
    if dataset.n_examples("train") == 0:
        raise SettingsError(f"{dataset.source} leaves nothing to train on: give it more words")
    require_device(settings.device)


@contextmanager
def processor_threads(n: int) -> Iterator[None]:
    """torch's operations on `n` threads of the processor, within it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fresh(model: "Model", settings: TrainSettings) -> Checkpoint:
    """The run before its first step. Raises SettingsError for an unknown initialisation."""
    import torch

    from handgrad.engine import to_tensors

    dtype = getattr(torch, settings.dtype)
    params, state = (
        to_tensors(arrays, dtype, settings.device)
        for arrays in model.initialise(settings.init, settings.seed)
    )
    return Checkpoint(0, params, state, OPTIMIZERS[settings.optimizer].tensors(params))


def verify_gradients(run: Run, start: Checkpoint, batches: "Batches") -> None:
    """Hold the gradients of `start`'s next batch to the truth.

    Raises GradientError, which names the worst.
    """
    import torch

    from handgrad.engine import Batch
    from handgrad.verify import verify_batch

    engine = run.settings.engine
    inputs, targets = (
        torch.from_numpy(array).to(run.settings.device) for array in batches.at(start.step)
    )
    rows = verify_batch(engine, run.model, start.params, start.state, Batch(inputs, targets))
    wrong = [row for row in rows if not row.ok]
    if not wrong:
        return
    worst = max(wrong, key=lambda row: row.ratio or 0.0)
    others = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    raise GradientError(
        f"engine {engine}, step {start.step}: the gradient of {worst.node}{others} is wrong "
        f"({worst.verdict}): `handgrad verify` shows where"
    )
