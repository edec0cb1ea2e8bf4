"""Generated source without compiling it: Python calls kernels that are compiled one by one.

A model's step takes ten seconds to compile; its kernels are shared by all models, and each is
compiled once per test process. What is compiled as a whole is tested on the lecture's models.
"""

import math
import re
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

from handgrad.kernels import KERNELS, batch, optimizers
from kernels.compiling import compiled

_IMPORTS = re.compile(r"^(?:from|import) .*(?:\(\n(?:.*\n)*?\))?$", re.MULTILINE)


def interpreted(source: str, dtype: str) -> Callable[..., Any]:
    """Return the last function of `source`, as `build` does."""
    kernels = {name: _Kernels(module) for name, module in KERNELS.items()}
    own = {**vars(_Kernels(batch)), **vars(_Kernels(optimizers))}
    namespace: dict[str, Any] = {
        **own,
        **kernels,
        "math": math,
        "cached": lambda function: function,
        "rows": lambda array, count: array[:count],
        "wait": lambda thread, team: None,
    }
    exec(compile(_IMPORTS.sub("", source), "generated", "exec"), namespace)
    name = re.findall(r"^def (\w+)", source, re.MULTILINE)[-1]
    function: Callable[..., Any] = namespace[name]
    return function


class _Kernels(SimpleNamespace):
    """A module's kernels, each compiled at its first call."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(
            **{
                name: compiled(value)
                for name, value in vars(module).items()
                if hasattr(value, "py_func")
            }
        )
