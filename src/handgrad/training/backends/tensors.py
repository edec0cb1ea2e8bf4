"""Torch tensors, on any device: the backend of every engine except the compiled one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from handgrad.training.backends.eager import TorchSteps, engine_of
from handgrad.training.backends.protocol import Say, Steps
from handgrad.training.folder import RunFolder
from handgrad.training.settings import TrainSettings
from handgrad.training.state import Checkpoint, Numbers

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.engine import Engine
    from handgrad.models.initialise import Arrays

FRAMEWORK = "pt"
CHANGEABLE: tuple[str, ...] = ()


def numbers(arrays: "Arrays", settings: TrainSettings) -> Numbers:
    """Return tensors on the run's device."""
    import torch

    from handgrad.engine import to_tensors

    return dict(to_tensors(arrays, getattr(torch, settings.dtype), settings.device))


@contextmanager
def threads(n: int | None, run: RunFolder) -> Iterator[None]:
    """Set torch's number of threads, one by default, and restore it afterwards.

    At the lecture's sizes two threads take longer than one, many times longer on a busy machine.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n or 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def compile(run: RunFolder, say: Say) -> None:
    """Do nothing: torch engines are not compiled."""


def engine(run: RunFolder) -> "Engine":
    """Return the run's engine from ENGINES."""
    return engine_of(run)


def is_verified(run: RunFolder) -> bool:
    """Return False: torch is loaded anyway, and verifying one batch is quick."""
    return False


def remember(run: RunFolder) -> None:
    """Do nothing, see `is_verified`."""


def steps(run: RunFolder, dataset: "Dataset", start: Checkpoint, say: Say) -> Steps:
    """Return steps that replay a captured graph where that is possible and verified, else eager."""
    from handgrad.models import CONTEXTS
    from handgrad.training.backends.graphs import capture_of

    # a graph keeps its shapes, and batches of words differ in theirs
    capture = capture_of(run.settings) if run.model.batches == CONTEXTS else None
    if capture is None or start.step >= run.settings.steps:
        return TorchSteps(run, dataset, start)
    from handgrad.training.backends.proof import proven

    return proven(run, dataset, start, say, capture)
