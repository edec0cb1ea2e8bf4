"""handgrad: write the backward pass by hand; know that every line of it is right.

data      words, vocabulary, one flat token array, batches from (seed, step)
layers    LAYERS: pure functions, each a chunked pair (one step a line) and a fused pair
models    MODELS: how layers are stacked
kernels   KERNELS: the layers on preallocated memory, compiled
engine    ENGINES: autograd, chunked, fused, compiled behind one `loss_and_grads`
verify    our own layers and models, held to autograd and float64 by the checker
train     the loop, optimizers, schedules, evaluation, run folders
sample    names from a trained model
checker   any hand-written backward pass, judged line by line
ipython   `%load_ext handgrad`: the verdicts after each cell of a notebook
cli       the commands

The names below are loaded when first used: `import handgrad` loads neither torch nor NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handgrad.checker.api import check, watch
    from handgrad.checker.derive_function import derive
    from handgrad.checker.functions.check import check_function
    from handgrad.checker.functions.records import FunctionReport
    from handgrad.checker.report.report import Report
    from handgrad.checker.run.many import check_files
    from handgrad.checker.run.run import check_file
    from handgrad.data import open_dataset
    from handgrad.engine import ENGINES
    from handgrad.errors import HandgradError
    from handgrad.layers import LAYERS
    from handgrad.models import MODELS

__version__ = "0.1.0"
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
    "open_dataset",
    "watch",
]

_HOMES = {
    "ENGINES": "handgrad.engine",
    "LAYERS": "handgrad.layers",
    "MODELS": "handgrad.models",
    "FunctionReport": "handgrad.checker.functions.records",
    "HandgradError": "handgrad.errors",
    "Report": "handgrad.checker.report.report",
    "check": "handgrad.checker.api",
    "check_file": "handgrad.checker.run.run",
    "check_files": "handgrad.checker.run.many",
    "derive": "handgrad.checker.derive_function",
    "check_function": "handgrad.checker.functions.check",
    "open_dataset": "handgrad.data",
    "watch": "handgrad.checker.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'handgrad' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext handgrad`: follow each cell that defines gradients by its verdicts."""
    from handgrad.notebook import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext handgrad`."""
    from handgrad.notebook import unload

    unload(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
