"""Gradients that autograd computed and that stand under the name of one by hand.

The value tells nothing: a right gradient by hand often has the very bits of autograd's. What counts
is where it comes from (record/lineage.py). A gradient that is computed from autograd's gradient of
another tensor, such as `dW = x.T @ h.grad`, is by hand.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from handgrad.checker.judge.grade import Grade
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.passes.compare import same_bits
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Op, key_of, needed


def is_copied(grade: Grade) -> bool:
    """Tell whether a right gradient is autograd's own."""
    forward, hand = grade.hand.forward, grade.hand
    lineage = forward.trace.lineage
    if not (lineage.given or lineage.hooked) or not grade.right:
        return False
    sources = lineage.of(hand.final().value)
    if sources:
        own = key_of(hand.node.value) in sources
        return own or any(k in sources and same_bits(grade.value, g) for k, g in lineage.given)
    autograd = forward.autograd.get(hand.node.index)
    if autograd is None or _is_plain(autograd):
        return False
    ops = _makers(forward, hand)
    if not ops:
        at_top = hand.binds[0].call is None and hand.binds[0].kind != "param"
        return (lineage.hooked or lineage.left) and at_top and same_bits(grade.value, autograd)
    return lineage.left and _is_from_numbers(forward, grade, autograd, ops)


def _makers(forward: Pass, hand: Pair) -> list[Op]:
    """Return the operations that its numbers come from."""
    before = forward.trace.events[: hand.final().index]
    events = [e for e in before if not (type(e) is Op and _is_shape_only(e))]
    return needed(events, [hand.final().value], set())


def _is_from_numbers(forward: Pass, grade: Grade, autograd: Tensor, ops: Sequence[Op]) -> bool:
    """Tell whether it comes from numbers in Python that are those of autograd's gradient."""
    if any(_holds(t, autograd) for op in ops if not op.inputs for t in op.outputs):
        return True
    read = {key_of(t) for op in ops for t in op.inputs}
    return same_bits(grade.value, autograd) and not read & forward.memory


def _is_shape_only(op: Op) -> bool:
    """Tell whether it takes nothing but a shape from its input: zeros_like, new_empty."""
    name = getattr(op.func, "__name__", "")
    return name.endswith("_like") or name.startswith("new_")


def _holds(value: Tensor, autograd: Tensor) -> bool:
    """Tell whether a constant has the numbers of a gradient, in whatever shape."""
    if value.numel() != autograd.numel():
        return False
    numbers, expected = value.detach().flatten().double(), autograd.detach().flatten().double()
    transposed = autograd.detach().mT.flatten().double() if autograd.dim() > 1 else expected
    return torch.equal(numbers, expected) or torch.equal(numbers, transposed)


def _is_plain(autograd: Tensor) -> bool:
    """Tell whether all its elements are equal, as those that a student writes as a number."""
    numbers = autograd.detach().flatten()
    return len(numbers) < 2 or bool((numbers == numbers[0]).all())
