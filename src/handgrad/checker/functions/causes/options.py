"""What backward computes again, without an operation or an option that forward has."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.causes.operations import examined
from handgrad.checker.functions.causes.paths import source_of
from handgrad.checker.functions.inputs.values import is_floating

MOST = 120
"""Calls of longer references are not examined one by one."""


class Omission(NamedTuple):
    """One call of the reference without an option; None: its operand in place of its result."""

    number: int
    option: str | None
    default: Any
    name: str
    text: str


class Omitting(TorchFunctionMode):
    """While active, the calls are counted, and one of them runs without an option."""

    def __init__(self, omission: Omission | None = None) -> None:
        super().__init__()
        self.omission = omission
        self.omissions: list[Omission] = []
        self._count = 0

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        number, self._count = self._count, self._count + 1
        if self.omission is None:
            result = func(*args, **given)
            self._record(number, func, args, given, result)
            return result
        if self.omission.number != number:
            return func(*args, **given)
        if self.omission.option is None:
            return args[0]
        given.pop(self.omission.option, None)
        if self.omission.default is not inspect.Parameter.empty:
            given[self.omission.option] = self.omission.default
        return func(*args, **given)

    def _record(
        self, number: int, func: Any, args: Sequence[Any], given: dict[str, Any], result: Any
    ) -> None:
        if not isinstance(result, Tensor) or not any(map(is_floating, (*args, *given.values()))):
            return
        name = getattr(func, "__name__", "")
        _, text, _ = source_of(name, "")
        first = args[0] if args else None
        if isinstance(first, Tensor) and first.shape == result.shape and first.requires_grad:
            self.omissions.append(Omission(number, None, None, name, text))
        defaults = _defaults(func)
        for option, value in given.items():
            default = defaults.get(option, inspect.Parameter.empty)
            if isinstance(value, Tensor) and value.requires_grad:
                continue
            if default is inspect.Parameter.empty or not _same(value, default):
                self.omissions.append(Omission(number, option, default, name, text))


@cause("HG192", "left out of what backward computes again", turn=Turn.OPERATION)
def omitted(e: FunctionEvidence) -> FunctionFinding | None:
    """backward is that of a forward pass without one of its operations or options.

    What
        A causal mask, a softcap, a temperature, label smoothing: forward has it, and backward
        computes its intermediates again without it.
    Why
        A backward that recomputes must repeat every step of forward.
    Wrong
        p = (q @ k.mT * scale).softmax(-1)          # forward masks the scores
    Right
        p = (q @ k.mT * scale).masked_fill(mask, -inf).softmax(-1)
    """
    if not examined(e):
        return None
    for omission in _omissions(e):
        if not e.explains(e.with_changes(mode=Omitting(omission))):
            continue
        if omission.option is None:
            what = f"`{omission.text}`"
            return FunctionFinding(
                f"{what} is left out: this is the gradient of the reference without it.",
                f"Repeat {what} where backward computes the intermediates again.",
            )
        what = f"The option {omission.option} of `{omission.text}`"
        return FunctionFinding(
            f"{what} is ignored: this is the gradient of the reference without it.",
            f"Take {omission.option} into account in backward too.",
        )
    return None


def _omissions(e: FunctionEvidence) -> Iterator[Omission]:
    """Yield what may be left out: options first."""
    mode = Omitting()
    if e.with_changes(mode=mode) is None or len(mode.omissions) > MOST:
        return
    yield from sorted(mode.omissions, key=lambda omission: omission.option is None)


def _defaults(func: Any) -> dict[str, Any]:
    try:
        parameters = inspect.signature(func).parameters
    except (TypeError, ValueError):  # a function of C
        return {}
    return {name: p.default for name, p in parameters.items()}


def _same(value: Any, default: Any) -> bool:
    return value is default or (not isinstance(value, Tensor) and value == default)
