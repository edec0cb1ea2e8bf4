"""Before the first step: settings that cannot work are named, a batch's gradients are verified."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from handgrad.errors import GradientError, SettingsError
from handgrad.train.checkpoint import Checkpoint, Numbers
from handgrad.train.folder import Run, batches_of
from handgrad.train.optimizer import OPTIMIZERS
from handgrad.train.settings import TrainSettings

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.engine import Engine
    from handgrad.models import Model
    from handgrad.models.initialise import Arrays


def check_settings(settings: TrainSettings, model: "Model", dataset: "Dataset") -> None:
    """Raise SettingsError where settings, model and data do not go together on this machine."""
    from handgrad.engine import ENGINE_NAMES
    from handgrad.engine.device import require_device
    from handgrad.models import INITIALISATIONS

    for name, table in (("engine", ("auto", *ENGINE_NAMES)), ("init", INITIALISATIONS)):
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
    if settings.engine == "compiled" and settings.device != "cpu":
        raise SettingsError(
            f"engine compiled runs on the processor, and the device is {settings.device}: "
            "use --engine fused, or --device cpu"
        )


@contextmanager
def processor_threads(n: int, run: Run) -> Iterator[None]:
    """What the run's engine does with several threads on `n` of the processor, within it."""
    if run.settings.engine == "compiled":
        from handgrad.engine.compiled.threads import blas_threads

        with blas_threads(n, run.model, run.settings.batch_size):
            yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fresh(model: "Model", settings: TrainSettings) -> Checkpoint:
    """The run before its first step. Raises SettingsError for an unknown initialisation."""
    params, state = (
        _numbers(arrays, settings) for arrays in model.initialise(settings.init, settings.seed)
    )
    return Checkpoint(0, params, state, OPTIMIZERS[settings.optimizer].tensors(params))


def _numbers(arrays: "Arrays", settings: TrainSettings) -> Numbers:
    """Copies in the dtype, and of the kind, that the engine works on."""
    if settings.engine == "compiled":
        from handgrad.engine.compiled.memory import copied

        return dict(copied(arrays, settings.dtype))
    import torch

    from handgrad.engine import to_tensors

    return dict(to_tensors(arrays, getattr(torch, settings.dtype), settings.device))


def verify_gradients(
    run: Run, start: Checkpoint, dataset: "Dataset", *, again: bool = True
) -> None:
    """Hold the gradients of `start`'s next batch to the truth.

    What was found right once for this model, batch size, dtype, version and processor is not looked
    at `again` unless asked for, where the engine is compiled: that takes torch. Raises
    GradientError, which names the worst.
    """
    if run.settings.engine != "compiled":
        _verify(run, start, dataset)
        return
    from handgrad.engine.compiled.verified import is_verified, remember

    settings = run.settings
    what = (run.model, settings.optimizer, settings.batch_size, settings.dtype)
    if again or not is_verified(*what):
        _verify(run, start, dataset)
        remember(*what)


def _verify(run: Run, start: Checkpoint, dataset: "Dataset") -> None:
    import torch

    from handgrad.engine import Batch
    from handgrad.verify import verify_batch

    batch = batches_of(run, dataset).at(start.step)
    inputs, targets = (torch.from_numpy(array).to(run.settings.device) for array in batch)
    params, state = (
        {name: torch.as_tensor(value) for name, value in numbers.items()}
        for numbers in (start.params, start.state)
    )
    rows = verify_batch(_engine(run), run.model, params, state, Batch(inputs, targets))
    wrong = [row for row in rows if not row.ok]
    if not wrong:
        return
    worst = max(wrong, key=lambda row: row.ratio or 0.0)
    others = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    raise GradientError(
        f"engine {run.settings.engine}, step {start.step}: "
        f"the gradient of {worst.node}{others} is wrong ({worst.verdict}): "
        "`handgrad verify` shows where"
    )


def _engine(run: Run) -> "Engine":
    """The run's own: with its optimizer where that is part of what was compiled."""
    from handgrad.engine import ENGINES
    from handgrad.engine.compiled.spine import Compiled

    if run.settings.engine == "compiled":
        return Compiled(run.model, run.settings.optimizer)
    return ENGINES[run.settings.engine](run.model)
