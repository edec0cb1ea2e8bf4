"""ENGINES: name -> engine, for a model: `ENGINES["fused"](model).loss_and_grads(...)`.

The names below are loaded at first use: the compiled engine trains without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handgrad.engine.core import Batch, Engine, Grads, Params, State, to_tensors
    from handgrad.engine.table import ENGINES

__all__ = ["ENGINES", "ENGINE_NAMES", "Batch", "Engine", "Grads", "Params", "State", "to_tensors"]

ENGINE_NAMES = ("autograd", "chunked", "fused", "compiled")
"""The names in ENGINES."""
CPU_ONLY = ("compiled",)
"""Engines that do not run on a GPU."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'handgrad.engine' has no attribute {name!r}")
    home = "table" if name == "ENGINES" else "core"
    return getattr(import_module(f"handgrad.engine.{home}"), name)
