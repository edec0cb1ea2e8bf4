"""The reference with some of its statistics held constant: results of reductions, detached."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.write.decompose import DECOMPOSED

REDUCTIONS = {
    "amax", "amin", "logsumexp", "max", "mean", "min", "norm", "prod", "std", "std_mean", "sum",
    "var", "var_mean", "vector_norm",
}  # fmt: skip


class DetachedReductions(TorchFunctionMode):
    """While active, the reductions whose number is in `chosen` (None: all) are detached.

    `names` holds the names of all reductions in order. Functions that reduce their input inside
    (layer_norm, softmax) run in elementary steps; their reductions are named `var in layer_norm`.
    """

    def __init__(self, chosen: set[int] | None) -> None:
        super().__init__()
        self.chosen = chosen
        self.names: list[str] = []

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in DECOMPOSED:
            return DECOMPOSED[name].run(partial(self._inner, name), *args, **kwargs)
        result = func(*args, **kwargs)
        return self._reduced(name, result) if name in REDUCTIONS else result

    def _inner(self, function: str, name: str, statistic: Tensor) -> Any:
        return self._reduced(f"{name} in {function}", statistic)

    def _reduced(self, name: str, result: Any) -> Any:
        number = len(self.names)
        self.names.append(name)
        if self.chosen is not None and number not in self.chosen:
            return result
        if isinstance(result, Tensor):
            return result.detach()
        if isinstance(result, tuple):
            return tuple(t.detach() if isinstance(t, Tensor) else t for t in result)
        return result
