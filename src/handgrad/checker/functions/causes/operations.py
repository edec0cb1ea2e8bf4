"""One operation of the reference with another derivative: a path lost, a factor, a sum."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.causes.numbers import named_factor
from handgrad.checker.functions.causes.paths import (
    DERIVATIVES,
    MOVES,
    OF_OUTPUT,
    PARTS,
    Edit,
    Operation,
    Paths,
)

MOST = 120
"""Operations of longer references are not examined one by one."""
LEAST = 4
"""A factor is determined by so many elements."""
LARGEST = 2**14
"""Nor where the gradient has more elements."""


class Explanation(NamedTuple):
    """An edit that reproduces the gradient; `factor` times the contribution of the operand."""

    operation: Operation
    edit: Edit
    factor: float = 0.0


@cause("HG186", "contribution lost", turn=Turn.OPERATION)
def contribution_lost(e: FunctionEvidence) -> FunctionFinding | None:
    """The gradient lacks the contribution through one operation.

    What
        An input reaches the output by several paths, and backward follows all but one.
    Why
        Each use of a value adds to its gradient: a residual connection, a gate, a second factor, a
        maximum that was subtracted.
    Wrong
        return df * dout                  # of x + f(x)
    Right
        return dout + df * dout
    """
    found = _contribution(e)
    if found is None or found.factor != 0:
        return None
    operation, operand = found.operation, _operand(found)
    through = f"{operand} in " if operand else ""
    return FunctionFinding(
        f"The contribution through {through}`{operation.text}` is left out: this is the gradient "
        f"of the reference with it detached.",
        f"Add the contribution through {through}`{operation.text}`.",
    )


@cause("HG189", "contribution with a wrong factor", turn=Turn.OPERATION)
def contribution_scaled(e: FunctionEvidence) -> FunctionFinding | None:
    """One of several contributions to the gradient has the wrong sign or a wrong factor.

    What
        The gradient is a sum over the paths from an input to the output. One term is wrong.
    Why
        A minus of a difference or a rotation, the 2 of a square or the 1/n of a mean is missing on
        one path.
    Wrong
        return dout + 2 * x * dout        # of x + x**3
    Right
        return dout + 3 * x**2 * dout
    """
    found = _contribution(e)
    if found is None or found.factor == 0:
        return None
    operation, operand = found.operation, _operand(found)
    through = f"{operand} in " if operand else ""
    text = named_factor(e.sample, found.factor) or f"{found.factor:.4g}"
    failure = {
        "-1": "has the wrong sign",
        "2": "is counted twice",
    }.get(text, f"is {text} times what it should be")
    fix = {"-1": "Change the sign of this term.", "2": "Add it once."}
    return FunctionFinding(
        f"The contribution through {through}`{operation.text}` {failure}.",
        fix.get(text, f"Divide this term by {text}."),
    )


@cause("HG188", "derivative left out", turn=Turn.OPERATION)
def derivative_left_out(e: FunctionEvidence) -> FunctionFinding | None:
    """The chain rule skips one operation, or takes its derivative at another point.

    What
        The upstream gradient passes an operation unchanged, or multiplied by a derivative that
        was evaluated at the input instead of the output.
    Why
        Each operation between input and output has a factor in the gradient.
    Wrong
        return dout / cap                 # of tanh(x / cap)
    Right
        return dout * (1 - y**2) / cap
    """
    for operation in _operations(e):
        for how, positions in (
            ("identity", operation.same_shape),
            ("at_output", operation.same_shape if len(operation.positions) == 1 else ()),
            ("at_input", operation.positions if operation.name in OF_OUTPUT else ()),
        ):
            for position in positions:
                edit = Edit(operation.numbers, position, how)  # type: ignore[arg-type]
                if _fits(e, edit):
                    return _of_derivative(operation, edit)
        for part in PARTS.get(operation.name, {}) if operation.same_shape else {}:
            if _fits(e, Edit(operation.numbers, operation.same_shape[0], "part", part)):
                known = DERIVATIVES.get(operation.name)
                return FunctionFinding(
                    f"The derivative of `{operation.text}` is wrong: {part}.",
                    f"Multiply by {known}." if known else "Correct this derivative.",
                )
    return None


@cause("HG187", "assigned where it must be accumulated", turn=Turn.FORMULA)
def assigned(e: FunctionEvidence) -> FunctionFinding | None:
    """Several contributions meet in one element of the gradient, and only one of them is kept.

    What
        An index that occurs twice, or a weight that all rows share, gets the gradient of one use.
    Why
        dtable[index] = dout writes; the gradients of all uses must be added. Blocks of a kernel
        that write to the same weight overwrite each other.
    Wrong
        dtable[index] = dout
    Right
        dtable.index_add_(0, index, dout)
    """
    if not examined(e):
        return None
    for operation in _operations(e):
        for which in ("last", "first") if operation.name in MOVES else ():
            for position in operation.positions[:1]:
                if _fits(e, Edit(operation.numbers, position, f"assign_{which}")):  # type: ignore[arg-type]
                    return FunctionFinding(
                        f"Where `{operation.text}` reads an element several times, only the "
                        f"{which} gradient is kept: it is assigned where it must be accumulated.",
                        "Add the gradients: index_add_, scatter_add_, "
                        "index_put_(..., accumulate=True), or atomic adds.",
                    )
    return _one_block(e)


def _one_block(e: FunctionEvidence) -> FunctionFinding | None:
    """Return the finding if only one block of rows contributes."""
    for letter, size in e.sample.sizes:
        block = 8
        while block < size:
            rest = (size - 1) // block * block
            for start, end, which in ((rest, size, "last"), (0, block, "first")):
                candidate = e.with_upstream(lambda u: _only(u, size, start, end))  # noqa: B023
                if e.explains(candidate):
                    return FunctionFinding(
                        f"Only the {which} block of {letter} contributes to the gradient: at "
                        f"{letter}={size}, indices {start} to {end - 1} of blocks of {block}.",
                        "Add the contributions of all blocks: accumulate in a loop, with atomic "
                        "adds, or in a buffer of partial sums.",
                    )
            block *= 2
    return None


def _only(value: Tensor, size: int, start: int, end: int) -> Tensor | None:
    dims = [d for d, n in enumerate(value.shape) if n == size]
    if not dims:
        return None
    changed = value * 0
    kept = changed.narrow(dims[0], start, end - start)
    kept.copy_(value.narrow(dims[0], start, end - start))
    return changed


def _of_derivative(operation: Operation, edit: Edit) -> FunctionFinding:
    known = DERIVATIVES.get(operation.name)
    if edit.how == "identity" and operation.name in FACTORS:
        return FunctionFinding(
            f"The other factor of `{operation.text}` is left out: the gradient passes it "
            f"unchanged.",
            FACTORS[operation.name],
        )
    if edit.how == "identity":
        return FunctionFinding(
            f"The derivative of `{operation.text}` is left out: the gradient passes it unchanged.",
            f"Multiply by {known or 'its derivative'}.",
        )
    where = "output" if edit.how == "at_output" else "input"
    other = "input" if edit.how == "at_output" else "output"
    return FunctionFinding(
        f"The derivative of `{operation.text}` is taken at its {where} instead of its {other}.",
        f"Multiply by {known}." if known else f"Take the derivative at the {other}.",
    )


def _contribution(e: FunctionEvidence) -> Explanation | None:
    """Return the operand whose contribution, times a factor other than 1, gives the gradient.

    A lost contribution explains more than a factor: of x * x, the negative of one half is lost too.
    """
    scaled = None
    for operation in _operations(e):
        for position in (*operation.positions, *[None] * (len(operation.positions) > 1)):
            edit = Edit(operation.numbers, position, "cut")
            factor = _factor(e, edit)
            if factor is None or (factor and scaled):
                continue
            other = e.at(replace(e.sample, draw=e.sample.draw + 1))
            again = factor if other is None else _factor(other, edit)
            if again is None or abs(again - factor) > 1e-3 * max(1.0, abs(factor)):
                continue
            if factor == 0:
                return Explanation(operation, edit)
            scaled = Explanation(operation, edit, factor)
    return scaled


def _factor(e: FunctionEvidence, edit: Edit) -> float | None:
    """Return f if the function returned the rest of the gradient plus f times a contribution."""
    rest = e.with_changes(mode=Paths(edit))
    if rest is None or rest.shape != e.right.shape:
        return None
    if e.explains(rest):
        return 0.0
    part = e.right - rest
    square = float((part * part).sum())
    if not square or not bool(rest.any()) or int((part != 0).sum()) < LEAST:
        return None
    factor = float(((e.hand.to(part) - rest) * part).sum()) / square
    return factor if factor and e.explains(rest + factor * part) else None


def _operations(e: FunctionEvidence) -> Iterator[Operation]:
    """Yield the operations of the reference that carry a gradient, views last."""
    if not examined(e):
        return
    paths = Paths()
    if e.with_changes(mode=paths) is None or len(paths.operations) > MOST:
        return
    yield from sorted(paths.operations, key=lambda op: op.name in VIEWS)


FACTORS = {
    "mul": "Multiply by the other factor.",
    "multiply": "Multiply by the other factor.",
    "div": "Divide by the divisor.",
    "true_divide": "Divide by the divisor.",
    "matmul": "Multiply by the transpose of the other matrix.",
    "mm": "Multiply by the transpose of the other matrix.",
}
VIEWS = {
    "__get__", "__getitem__", "reshape", "view", "transpose", "permute", "unsqueeze", "squeeze",
    "expand", "flatten", "unflatten", "chunk", "split", "T", "mT", "movedim",
}  # fmt: skip


def examined(e: FunctionEvidence) -> bool:
    """Return whether the operations of the reference are tried one by one."""
    return (
        e.comparable
        and e.kind == "wrong"
        and e.quantity.kind == "gradient"
        and not e.sample.ties
        and e.right.numel() <= LARGEST
    )


def _fits(e: FunctionEvidence, edit: Edit) -> bool:
    return e.explains(e.with_changes(mode=Paths(edit)))


def _operand(found: Explanation) -> str:
    """Return the operand's text in quotes, where it is known and tells more than the operation."""
    operands, position = found.operation.operands, found.edit.position
    if position is None or position >= len(operands) or len(found.operation.positions) < 2:
        return ""
    return f"`{operands[position]}`"
