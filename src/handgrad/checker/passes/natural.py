"""The natural loss of a file that computes none.

Many scripts start their backward pass from `p - y` without a loss. It is the gradient of the
squared error or, where p is a probability, of the cross-entropy by what p was computed from.
Operations that compute these losses are put into the trace, each just before `p - y`. Which the
gradients follow from is decided by their values, as with any loss.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handgrad.checker.passes.find import find_passes, is_number, last_numbers
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.trace import Backward, Barrier, Bind, Event, Op, Step, Trace, key_of

SQUARED, CROSS, BINARY = "squared error", "cross-entropy", "binary cross-entropy"
NATURAL = {SQUARED, CROSS, BINARY}
"""The names that natural losses get."""
_DIFFERENCES = {"sub", "__sub__", "__rsub__", "rsub", "subtract"}
_COPIES = {"clone", "__deepcopy__", "detach", "contiguous"}
_ROUNDING = 1e-4
"""How far the sum of float32 probabilities may be from 1."""


def add_natural(trace: Trace, hands: Mapping[str, str]) -> bool:
    """Put natural losses into the trace of a file whose steps compute no loss.

    Return whether there are any. The indices of events change.
    """
    search = _Search(trace, set(hands.values()))
    found = list(search.losses())
    if not found or _has_loss(trace, found[-1][0], search.forward | search.errors):
        return False
    new: list[Event] = []
    for op, name, function, arguments in found:
        loss = function(*(trace.at(t, op.index).detach() for t in arguments))
        last = max([op.index - 1, *(e.index for e in new if e.index < op.index)])
        statement = next((b.statement for b in trace.events[op.index :] if type(b) is Bind), None)
        if statement is None:
            continue
        between = [last + (op.index - last) * share for share in (0.25, 0.5)]
        new.append(_operation(between[0], function, arguments, loss))  # type: ignore[arg-type]
        new.append(Bind(between[1], name, loss, "assign", statement))  # type: ignore[arg-type]
    if new:
        trace.keep(sorted([*trace.events, *new], key=lambda e: e.index))
    return bool(new)


def _has_loss(trace: Trace, last: Op, memory: Set[int]) -> bool:
    """Tell whether the file has a loss, but for one after its last step, that of `last`.

    `memory` depends on the parameters: a number there that has a name is a loss.
    """
    after = (e.index for e in trace.events if type(e) in (Step, Barrier) and e.index > last.index)
    end = next(after, len(trace))
    return any(
        type(e) is Backward or (type(e) is Bind and is_number(e) and key_of(e.value) in memory)
        for e in trace.events[:end]
    )


def with_natural(trace: Trace, hands: Mapping[str, str]) -> list[ForwardPass]:
    """Return the passes of a trace with natural losses, and those of all other numbers."""
    natural = find_passes(trace, hands)
    losses = {id(t) for p in natural for t in p.outputs}
    return [*last_numbers(trace, hands, losses), *natural]


def is_natural(forward: ForwardPass) -> bool:
    """Tell whether the loss is one that this module put there."""
    binds = (b for b in forward.trace.of(Bind) if b.value is forward.outputs[0])
    return any(b.name in NATURAL for b in binds)


def _operation(index: int, function: Any, arguments: tuple[Tensor, ...], loss: Tensor) -> Op:
    return Op(index, function, arguments, {}, loss, arguments, (loss,), (), True)


@dataclass
class _Search:
    """Follows the parameters through the trace to the first differences from the targets."""

    trace: Trace
    nodes: Set[str]
    forward: set[int] = field(default_factory=set)
    """The memory that depends on parameters."""
    errors: set[int] = field(default_factory=set)
    """The memory that depends on such a difference."""
    copies: dict[int, Tensor] = field(default_factory=dict)
    """What a tensor is a copy of, by its id."""

    def losses(self) -> Iterator[tuple[Op, str, Any, tuple[Tensor, ...]]]:
        """Yield each natural loss: the operation that follows it, its name, how it is computed."""
        for bind in self.trace.of(Bind):
            updated = bind.kind == "update" and not bind.alias
            if bind.value.is_floating_point() and (updated or bind.name in self.nodes):
                self.forward.add(key_of(bind.value))
        for op in self.trace.of(Op):
            keys = {key_of(t) for t in op.inputs}
            made = {key_of(t) for t in op.outputs}
            name = getattr(op.func, "__name__", "")
            if keys & self.errors:
                self.errors |= made - self.forward
                continue
            if not keys & self.forward:
                continue
            losses = list(self._differs(op, name)) or list(self._indexed(op, name))
            for loss in losses:
                yield op, *loss
            if losses:
                self.errors |= made
            else:
                self.forward |= made
            if name in _COPIES and op.outputs:
                self.copies[id(op.outputs[0])] = op.inputs[0]

    def _differs(self, op: Op, name: str) -> Iterator[tuple[str, Any, tuple[Tensor, ...]]]:
        """Yield the losses of outputs and targets that are subtracted."""
        tensors = [t for t in op.args if isinstance(t, Tensor)]
        if name not in _DIFFERENCES or len(tensors) != 2 or tensors[0].numel() < 2:
            return
        output, target = sorted(tensors, key=lambda t: key_of(t) not in self.forward)
        if key_of(target) in self.forward or output.shape != target.shape:
            return
        yield SQUARED, _squared, (output, target)
        value = self.trace.at(output, op.index).detach()
        if bool(((value > 0) & (value < 1)).all()):
            if _adds_up(value):
                yield CROSS, _cross, (output, target)
            else:
                yield BINARY, _binary, (output, target)

    def _indexed(self, op: Op, name: str) -> Iterator[tuple[str, Any, tuple[Tensor, ...]]]:
        """Yield the loss of probabilities from which 1 is taken at the targets."""
        index = op.args[1] if name == "__setitem__" else None
        if not isinstance(index, tuple) or len(index) != 2 or not op.writes:
            return
        written, target = op.args[0], index[1]
        if not isinstance(target, Tensor) or target.dtype not in (torch.int32, torch.int64):
            return
        output = self.copies.get(id(written), written)
        if output.dim() == 2 and _adds_up(self.trace.at(output, op.index).detach()):
            yield CROSS, _picked, (output, target)


def _adds_up(value: Tensor) -> bool:
    sums = [value.sum(dim) for dim in range(value.dim()) if value.shape[dim] > 1]
    return any(bool(((s - 1).abs() < _ROUNDING).all()) for s in sums)


def _squared(output: Tensor, target: Tensor) -> Tensor:
    return 0.5 * F.mse_loss(output, target.detach().to(output), reduction="sum")


def _cross(output: Tensor, target: Tensor) -> Tensor:
    return -(target.detach() * torch.log(output)).sum()


def _binary(output: Tensor, target: Tensor) -> Tensor:
    y = target.detach()
    return -(y * torch.log(output) + (1 - y) * torch.log(1 - output)).sum()


def _picked(output: Tensor, target: Tensor) -> Tensor:
    return -torch.log(output[range(len(target)), target]).sum()
