"""ENGINES: name -> engine, made for a model: `ENGINES["fused"](model).loss_and_grads(...)`."""

from collections.abc import Callable

from handgrad.engine.autograd import Autograd
from handgrad.engine.chunked import Chunked
from handgrad.engine.core import Batch, Engine, Grads, Params, State, to_tensors
from handgrad.engine.fused import Fused
from handgrad.models import Model

__all__ = ["ENGINES", "Batch", "Engine", "Grads", "Params", "State", "to_tensors"]

ENGINES: dict[str, Callable[[Model], Engine]] = {
    "autograd": Autograd,
    "chunked": Chunked,
    "fused": Fused,
}
