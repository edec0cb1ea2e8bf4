"""ENGINES: name -> engine. Here the compiled engine takes and returns tensors too."""

from collections.abc import Callable

from handgrad.engine.autograd import Autograd
from handgrad.engine.chunked import Chunked
from handgrad.engine.compiled.spine import Compiled
from handgrad.engine.core import Engine
from handgrad.engine.fused import Fused
from handgrad.models import Model

ENGINES: dict[str, Callable[[Model], Engine]] = {
    "autograd": Autograd,
    "chunked": Chunked,
    "fused": Fused,
    "compiled": Compiled,
}
