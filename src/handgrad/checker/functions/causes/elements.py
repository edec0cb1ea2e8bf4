"""Elements that get a gradient which is not theirs, or lack what they pass on through others."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.causes.operations import examined
from handgrad.checker.functions.causes.paths import source_of
from handgrad.checker.functions.inputs.values import is_floating
from handgrad.checker.functions.runs.bench import doubles

LARGEST = 2**10
"""Larger operands are not differentiated element by element."""
MIXING = {
    "softmax": "y * (dout - (dout * y).sum(dim, keepdim=True)) for an output y",
    "log_softmax": "dout - y.exp() * dout.sum(dim, keepdim=True) for an output y",
    "cumsum": "dout.flip(dim).cumsum(dim).flip(dim)",
    "layer_norm": "rstd * (d - d.mean(-1, True) - n * (d * n).mean(-1, True)), with d = dout * "
    "weight and the normalised input n",
}
"""Operations of which each element depends on a whole row, and their gradients."""


class Diagonal(TorchFunctionMode):
    """While active, the operations in MIXING are counted.

    The one with this number passes on what each element owes to its own operand, and no more.
    """

    def __init__(self, number: int | None = None) -> None:
        super().__init__()
        self.number = number
        self.found: list[tuple[str, str]] = []
        """Name and text of each."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name, given = getattr(func, "__name__", ""), dict(kwargs or {})
        if name not in MIXING or not is_floating(args[0]):
            return func(*args, **given)
        number = len(self.found)
        self.found.append((name, source_of(name, "")[1]))
        if number != self.number:
            return func(*args, **given)
        operand = args[0]
        with torch.enable_grad():
            leaf = operand.detach().requires_grad_()
            out = func(leaf, *args[1:], **given)
        own = own_derivative(out, leaf)
        if own is None:
            return func(*args, **given)
        return func(operand.detach(), *args[1:], **given) + own * (operand - operand.detach())


def own_derivative(out: Tensor, leaf: Tensor) -> Tensor | None:
    """Return the derivative of each element of `out` by the element at its place in `leaf`."""
    if out.shape != leaf.shape or not 0 < out.numel() <= LARGEST or not out.requires_grad:
        return None
    flat, own = out.flatten(), torch.zeros(out.numel(), dtype=out.dtype)
    for i in range(out.numel()):
        (row,) = torch.autograd.grad(flat[i], leaf, retain_graph=True, allow_unused=True)
        own[i] = 0 if row is None else row.flatten()[i]
    return own.view(out.shape)


@cause("HG194", "only the diagonal of the Jacobian", turn=Turn.GENERAL)
def own_element(e: FunctionEvidence) -> FunctionFinding | None:
    """The gradient counts what an element does to its own output, and not to the others of its row.

    What
        Only the diagonal of the Jacobian is used, as if the function worked element by element.
    Why
        In a softmax, a normalisation or a cumulative sum, each input changes every output of its
        row. Its gradient is a sum over all of them.
    Wrong
        return y * (1 - y) * dout         # of a softmax
    Right
        return y * (dout - (dout * y).sum(-1, keepdim=True))
    """
    if not examined(e) or e.right.numel() > LARGEST:
        return None
    counted = Diagonal()
    if e.with_changes(mode=counted) is None:
        return None
    for number, (name, text) in enumerate(counted.found):
        if e.explains(e.with_changes(mode=Diagonal(number))):
            return FunctionFinding(
                f"Only the diagonal of the Jacobian of `{text}` is used; each of its elements "
                f"depends on the whole row.",
                f"Its gradient is {MIXING[name]}.",
            )
    if not e.explains(_own_elements(e)):
        return None
    name = e.name(e.quantity.number)
    return FunctionFinding(
        f"Each element of {name} gets the gradient of its own output alone; it changes other "
        f"elements of the output too.",
        "Sum over all elements of the output that depend on an element: for a softmax, "
        f"{MIXING['softmax']}.",
    )


def _own_elements(e: FunctionEvidence) -> Tensor | None:
    """Return the gradient from the diagonal of the reference's Jacobian."""
    call = e.bench.run_reference(doubles(e.truth.values), e.truth.wanted)
    leaf, total = call.leaves[e.quantity.number], torch.zeros_like(e.right)
    for i, upstream in zip(e.truth.outputs, doubles(e.truth.upstream), strict=True):
        own = own_derivative(call.outputs[i], leaf)
        if own is None:
            return None
        total = total + own * upstream
    return total


@cause("HG195", "ignored elements get a gradient", turn=Turn.FORMULA)
def ignored_elements(e: FunctionEvidence) -> FunctionFinding | None:
    """Elements that forward leaves out, by ignore_index or a mask, get a gradient.

    What
        The gradient is right, except where it must be 0: at targets of -100, or under a mask.
    Why
        What does not reach the output has no gradient. backward must apply the mask of forward.
    Wrong
        return (p - onehot) * dout / kept.sum()
    Right
        return (p - onehot) * kept[:, None] * dout / kept.sum()
    """
    if not e.comparable or e.quantity.kind != "gradient":
        return None
    wrong = e.mask
    for text, left_out in _left_out(e):
        if bool(wrong.any()) and not bool((wrong & ~left_out).any() or e.right[left_out].any()):
            return FunctionFinding(
                f"Wrong only where {text}: there the gradient must be 0.",
                "Apply the mask of forward in backward too: multiply by it, or masked_fill with 0.",
            )
    return None


def _left_out(e: FunctionEvidence) -> Iterator[tuple[str, Tensor]]:
    """Yield conditions on inputs that are no floating numbers, and the elements of their rows."""
    for name, value in zip(e.bench.inputs.names, e.truth.values, strict=True):
        if not isinstance(value, Tensor) or is_floating(value):
            continue
        if value.dtype == torch.bool:
            chosen = [(f"{name} is False", ~value), (f"{name} is True", value)]
        else:
            chosen = [(f"{name} is {n}", value == n) for n in _special(value)]
            chosen += [(f"{name} is negative", value < 0)] * (len(chosen) > 1)
        for text, where in chosen:
            rows = _rows(where, e.right.shape)
            if rows is not None:
                yield text, rows


def _special(value: Tensor) -> list[int]:
    return sorted(int(n) for n in value[value < 0].unique())  # type: ignore[no-untyped-call]


def _rows(where: Tensor, shape: torch.Size) -> Tensor | None:
    """Return the elements of the rows, or of the trailing dimensions, that `where` belongs to."""
    if where.shape == shape[: where.dim()]:
        return where.reshape(*where.shape, *[1] * (len(shape) - where.dim())).expand(shape)
    try:
        return where.expand(shape)
    except RuntimeError:
        return None


@cause("HG196", "sign of an operand", turn=Turn.GENERAL)
def negated(e: FunctionEvidence) -> FunctionFinding | None:
    """The gradient is that of the reference with one operand negated, or conjugated.

    What
        A rotation runs in the same direction in backward as in forward.
    Why
        The gradient of a rotation is the opposite rotation: sin changes its sign, and a complex
        factor becomes its conjugate.
    Wrong
        return rotated(dout, cos, sin)
    Right
        return rotated(dout, cos, -sin)
    """
    if not examined(e):
        return None
    for i, value in e.floating_inputs():
        if i == e.quantity.number:
            continue
        name = e.name(i)
        if i in e.bench.inputs.complex:
            factor = torch.tensor([1.0, -1.0], dtype=value.dtype)
            if e.explains(e.with_value(i, value * factor)):
                return FunctionFinding(
                    f"This is the gradient of the reference with the conjugate of {name} in place "
                    f"of {name}.",
                    f"Multiply by {name}.conj() in backward.",
                )
        elif e.explains(e.with_value(i, -value)):
            return _negated(f"-{name}", name)
    counted = Negating()
    if e.with_changes(mode=counted) is None:
        return None
    for number, text in enumerate(counted.found):
        if e.explains(e.with_changes(mode=Negating(number))):
            return _negated(f"-{text}", f"`{text}`")
    return None


def _negated(other: str, name: str) -> FunctionFinding:
    return FunctionFinding(
        f"This is the gradient of the reference with {other} in place of {name.strip('`')}.",
        f"Change the sign of the terms with {name} in backward; a rotation is undone by the "
        f"opposite rotation.",
    )


class Negating(TorchFunctionMode):
    """While active, sines are counted, and the one with this number is negated."""

    def __init__(self, number: int | None = None) -> None:
        super().__init__()
        self.number = number
        self.found: list[str] = []
        """The text of each."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name != "sin" or not is_floating(result):
            return result
        number = len(self.found)
        self.found.append(source_of(name, "")[1])
        return -result if number == self.number else result
