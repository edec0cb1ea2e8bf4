"""Before the first step: reject settings that cannot work, verify the gradients of one batch."""

from dataclasses import replace
from typing import TYPE_CHECKING

from handgrad.errors import GradientError, SettingsError
from handgrad.optim import OPTIMIZERS
from handgrad.training.backends import backend_of
from handgrad.training.folder import RunFolder, batches_of
from handgrad.training.needs import check_needs
from handgrad.training.settings import TrainSettings, check_names
from handgrad.training.state import Checkpoint

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.models import Model


def check_settings(settings: TrainSettings, model: "Model", dataset: "Dataset") -> None:
    """Raise SettingsError if settings, model, data and this machine do not work together."""
    from handgrad.engine import CPU_ONLY
    from handgrad.engine.device import require_device

    check_names(settings, model)
    if settings.batch_size < model.min_batch_size:
        raise SettingsError(
            f"batch_size is {settings.batch_size} and the model has batchnorm, whose variance "
            f"divides by n - 1 = 0: use --batch-size {model.min_batch_size} or more"
            f"{', or --no-batchnorm' if _removable(model) else ''}"
        )
    if (settings.patience or settings.best) and dataset.n_examples("val") == 0:
        needs = "patience" if settings.patience else "best"
        raise SettingsError(
            f"{dataset.source}: the val split is empty, but --{needs} needs its loss: "
            "add more words"
        )
    if dataset.n_examples("train") == 0:
        raise SettingsError(f"{dataset.source}: the train split is empty: add more words")
    require_device(settings.device)
    if settings.engine in CPU_ONLY and settings.device != "cpu":
        raise SettingsError(
            f"engine {settings.engine} runs on the CPU, but the device is {settings.device}: "
            "use --engine fused, or --device cpu"
        )
    check_needs(model, settings)


def _removable(model: "Model") -> bool:
    """Return whether the model has no batchnorm left without its switch `batchnorm`."""
    if not hasattr(model, "batchnorm"):
        return False
    without: Model = replace(model, batchnorm=False)  # type: ignore[type-var]
    return without.min_batch_size == 1


def examples(model: "Model", dataset: "Dataset") -> int:
    """Return the size of the train split in a batch's units: characters, or words."""
    from handgrad.models import CONTEXTS

    if model.batches == CONTEXTS:
        return dataset.n_examples("train")
    return len(dataset.word_starts("train"))


def fresh(model: "Model", settings: TrainSettings) -> Checkpoint:
    """Return the run before its first step. Raises SettingsError for an unknown initialisation."""
    numbers = backend_of(settings.engine).numbers
    init = settings.init or model.default_init
    params, state = (numbers(arrays, settings) for arrays in model.initialise(init, settings.seed))
    return Checkpoint(0, params, state, OPTIMIZERS[settings.optimizer].tensors(params))


def verify_gradients(
    run: RunFolder, start: Checkpoint, dataset: "Dataset", *, again: bool = True
) -> None:
    """Verify the gradients of `start`'s next batch against autograd and float64.

    Gradients that were verified before are skipped, unless `again`. Raises GradientError, which
    names the worst gradient.
    """
    backend = backend_of(run.settings.engine)
    if again or not backend.is_verified(run):
        _verify(run, start, dataset)
        backend.remember(run)


def _verify(run: RunFolder, start: Checkpoint, dataset: "Dataset") -> None:
    import torch

    from handgrad.training.backends.eager import batch_of
    from handgrad.verify import verify_batch

    number = start.step * run.settings.accumulate
    batch = batch_of(batches_of(run, dataset).at(number), run, number)
    params, state = (
        {name: torch.as_tensor(value) for name, value in numbers.items()}
        for numbers in (start.params, start.state)
    )
    engine = backend_of(run.settings.engine).engine(run)
    rows = verify_batch(engine, run.model, params, state, batch)
    wrong = [row for row in rows if not row.ok]
    if not wrong:
        return
    worst = max(wrong, key=lambda row: row.ratio or 0.0)
    which = f"gradient of {worst.node} is"
    if len(wrong) > 1:
        which = f"gradients of {worst.node} and {len(wrong) - 1} more are"
    raise GradientError(
        f"engine {run.settings.engine}, step {start.step}: "
        f"the {which} wrong ({worst.verdict}): "
        "`handgrad verify` shows the line"
    )
