"""A tie or a kink, or an inverted mask.

What: the gradient is correct except where two elements are both the largest, or where a relu, an
absolute value or a clamp is exactly at its corner.

Why: there is no unique derivative at such a point; any share of it is a subgradient. To match
autograd, use its convention: relu and abs give 0 at 0, clamp passes the gradient on at its borders,
amax, max(), maximum and minimum share it evenly, max(dim) and max_pool give it to one element.

Wrong:

    # h = torch.relu(a)
    da = (a >= 0) * dh

Right:

    da = (a > 0) * dh
"""

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import masks
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.shares import op_name
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.record.trace import Op

CODE = "HG130"
NAME = "tie or kink"
ORDER = 330
_SHARED = "autograd shares it evenly among them"
_ONE = "autograd gives it to one of them"
_KINKS = {
    name: kink
    for names, kink in (
        ("relu relu_", "relu at exactly 0, where autograd gives 0"),
        ("leaky_relu", "leaky_relu at exactly 0, where autograd takes the negative side"),
        ("threshold", "its threshold, where autograd gives 0"),
        ("abs absolute", "abs at exactly 0, where autograd gives 0"),
        ("hardtanh relu6", "its border, where autograd gives 0"),
        ("clamp clip clamp_min clamp_max", "clamp's border, where autograd passes the gradient on"),
        ("maximum minimum", f"ties of the two, where {_SHARED}"),
        ("amax amin", f"ties for the maximum, where {_SHARED}"),
        ("max min max_pool1d max_pool2d", f"ties for the maximum, where {_ONE}"),
        ("median", f"ties for the median, where {_ONE}"),
    )
    for name in names.split()
}


def find(suspect: Suspect) -> Finding | None:
    """Invert each mask of the line, then test whether it is wrong at ties and kinks only."""
    turned = edited(suspect, ((masks.turned, "The mask is inverted."),))
    op = _kink(suspect) if turned is None else None
    if op is None:
        return turned
    text, at = suspect.text, _KINKS[op_name(op)]
    if op_name(op) in ("max", "min") and len(op.args) < 2 and "dim" not in op.kwargs:
        at = at.replace(_ONE, _SHARED)
    message = f"Correct except at {at}. Any share is a subgradient there."
    return Finding(message, None if text is None else suspect.first(_ways(suspect, text, op)))


def _kink(suspect: Suspect) -> Op | None:
    """Return the operation at whose ties or kinks alone the gradient is wrong."""
    if suspect.made.shape != suspect.right.shape:
        return None
    off = (suspect.made - suspect.right).abs() > 1e-6 * suspect.right.abs().mean()
    if not bool(off.any()) or bool(off.all()):
        return None
    for event in suspect.forward.events:
        if type(event) is Op and any(t is suspect.node.value for t in event.inputs):
            corner = _corner(suspect, event) if op_name(event) in _KINKS else None
            if corner is not None and corner.shape == off.shape and not bool((off & ~corner).any()):
                return event
    return None


def _corner(suspect: Suspect, op: Op) -> Tensor | None:
    """Return where the operation's input is at a tie or a kink."""
    name, x = op_name(op), suspect.node.value.detach()
    others = [a for a in (*op.args[1:], *op.kwargs.values()) if a is not None]
    if name in ("relu", "relu_", "leaky_relu", "abs", "absolute"):
        return x == 0
    if name in ("maximum", "minimum") or (name in ("max", "min") and len(op.inputs) == 2):
        a, b = (t.detach() for t in op.inputs[:2])
        tied: Tensor = a == b
        return tied if tied.shape == x.shape else None
    if name in ("amax", "amin", "max", "min", "median"):
        dim = _dimension(op)
        value = getattr(x, "amin" if "min" in name else "amax")(dim, keepdim=True)
        if name == "median":
            value = x.median(dim, keepdim=True).values if isinstance(dim, int) else x.median()
        ties: Tensor = x == value
        return ties & (ties.sum(dim, keepdim=True) > 1)
    if name.startswith("max_pool"):
        repeats = bool(torch.sort(x.flatten()).values.diff().eq(0).any())
        return torch.ones_like(x, dtype=torch.bool) if repeats else None
    borders = [0.0, 6.0] if name == "relu6" else [-1.0, 1.0] if name == "hardtanh" else []
    found = [x == b for b in (*borders, *others) if isinstance(b, int | float | Tensor)]
    return torch.stack([f.expand_as(x) for f in found]).any(0) if found else None


def _dimension(op: Op) -> int | tuple[int, ...]:
    dim = op.kwargs.get("dim", op.args[1] if len(op.args) > 1 else None)
    if isinstance(dim, int):
        return dim
    return tuple(dim) if dim else tuple(range(op.inputs[0].dim()))


def _ways(suspect: Suspect, text: Text, op: Op) -> Iterator[str]:
    """Yield the line with the corner on the other side, shared, or assigned to one element."""
    yield from masks.closed(text)
    for node in masks.comparisons(text):
        if isinstance(node.ops[0], ast.Eq):
            yield from _picked(suspect, text, node, op)
    if op_name(op) in ("amax", "amin", "max", "min"):
        yield from _spread(suspect, text, op)
    if op_name(op) in ("maximum", "minimum"):
        yield from masks.halved(text)


def _picked(suspect: Suspect, text: Text, node: ast.Compare, op: Op) -> Iterator[str]:
    """Yield `x == m` divided by the number of its ties, and the one-hot of the index."""
    mask, dim, name = text.segment(node), _dimension(op), suspect.node.name
    yield text.replace(node, f"({mask}) / ({mask}).sum({dim}, keepdim=True)")
    if isinstance(dim, int):
        way = "argmin" if "min" in op_name(op) else "argmax"
        size = suspect.node.value.shape[dim]
        index = f"{name}.{'min' if way == 'argmin' else 'max'}({dim}).indices"
        if dim in (-1, suspect.node.value.dim() - 1):
            yield text.replace(node, f"torch.nn.functional.one_hot({index}, {size})")


def _spread(suspect: Suspect, text: Text, op: Op) -> Iterator[str]:
    """Yield an even share among the ties instead of the one-hot of an index."""
    dim, name = _dimension(op), suspect.node.name
    way = "amin" if "min" in op_name(op) else "amax"
    mask = f"({name} == {name}.{way}({dim}, keepdim=True))"
    for call in text.of(ast.Call):
        if getattr(call.func, "attr", "") == "one_hot":
            yield text.replace(call, f"{mask} / {mask}.sum({dim}, keepdim=True)")
