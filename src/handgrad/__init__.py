"""handgrad: write the backward pass by hand; know that every line of it is right.

data      words, vocabulary, one flat token array, batches from (seed, step)
layers    LAYERS: pure functions, each a chunked pair (one step per line) and a fused pair
models    MODELS: how layers are stacked
kernels   KERNELS: the layers on preallocated memory, compiled
optim     OPTIMIZERS and SCHEDULES: updates and learning rates
engine    ENGINES: autograd, chunked, fused, compiled with one signature, `loss_and_grads`
checker   any hand-written backward pass, judged line by line
verify    our layers and models, verified by the checker against autograd and float64
training  the loop, evaluation, checkpoints, run folders
sample    words from a trained model
runs      all of this from Python: `train`, `load`
notebook  `%load_ext handgrad`: the verdicts after each cell of a notebook
cli       the commands

The names below are loaded at first use: `import handgrad` loads neither torch nor NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from handgrad.version import __version__ as __version__

if TYPE_CHECKING:
    from handgrad.checker.api import check, watch
    from handgrad.checker.derive.function import derive
    from handgrad.checker.functions.check import check_function
    from handgrad.checker.functions.report.report import FunctionReport
    from handgrad.checker.report.report import Report
    from handgrad.checker.run.many import check_files
    from handgrad.checker.run.run import check_file
    from handgrad.data import open_dataset
    from handgrad.engine import ENGINES
    from handgrad.errors import HandgradError
    from handgrad.layers import LAYERS
    from handgrad.models import MODELS
    from handgrad.runs import load, train

__all__ = [
    "ENGINES",
    "LAYERS",
    "MODELS",
    "FunctionReport",
    "HandgradError",
    "Report",
    "check",
    "check_file",
    "check_files",
    "check_function",
    "derive",
    "load",
    "open_dataset",
    "train",
    "watch",
]

_HOMES = {
    "ENGINES": "handgrad.engine",
    "LAYERS": "handgrad.layers",
    "MODELS": "handgrad.models",
    "FunctionReport": "handgrad.checker.functions.report.report",
    "HandgradError": "handgrad.errors",
    "Report": "handgrad.checker.report.report",
    "check": "handgrad.checker.api",
    "check_file": "handgrad.checker.run.run",
    "check_files": "handgrad.checker.run.many",
    "derive": "handgrad.checker.derive.function",
    "check_function": "handgrad.checker.functions.check",
    "load": "handgrad.runs",
    "open_dataset": "handgrad.data",
    "train": "handgrad.runs",
    "watch": "handgrad.checker.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'handgrad' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def load_ipython_extension(shell: Any) -> None:
    """Run `%load_ext handgrad`: show verdicts after each cell that defines gradients."""
    from handgrad.notebook import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Run `%unload_ext handgrad`: stop showing verdicts."""
    from handgrad.notebook import unload

    unload(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
