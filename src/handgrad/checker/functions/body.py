"""Which lines of the user's `backward` are to blame: its assignments, judged line by line.

forward and backward of a torch.autograd.Function run once more, instrumented as `handgrad.check`
runs two functions. Only lines are reported whose corrected line was run and is right.
"""

import inspect
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.report.records import BlamedLine
from handgrad.checker.functions.runs.bench import Bench, Quantity, doubles
from handgrad.checker.functions.runs.calls import FunctionCall, tensors_of
from handgrad.checker.functions.runs.truth import Truth, truth_of
from handgrad.checker.record import function
from handgrad.checker.record.carriers import tensor_of
from handgrad.checker.records import Row
from handgrad.checker.report.report import Report
from handgrad.checker.returned import name_returned, unreturned
from handgrad.checker.session import Session

OTHER_SIZES = (4, 6, 5, 3, 2)
"""Sizes at which a correction must be right too."""
LARGEST = 2**12
"""Elements of the largest input that is judged line by line."""


@dataclass(frozen=True)
class Body:
    """A torch.autograd.Function that a call used, and what its forward got."""

    function: Any
    arguments: tuple[Any, ...]
    positions: tuple[int | None, ...]
    """Which input of the check each argument is."""


class Context:
    """Stands in for ctx."""

    def __init__(self, count: int) -> None:
        self.needs_input_grad = (True,) * count
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors

    @property
    def saved_variables(self) -> tuple[Any, ...]:
        return self.saved_tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Nothing is declared: the lines are judged alone."""

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Nothing is declared: the lines are judged alone."""

    def set_materialize_grads(self, value: bool) -> None:
        """Every upstream gradient is given."""


def lines_to_blame(bench: Bench, truth: Truth) -> dict[Quantity, tuple[BlamedLine, ...]]:
    """Return the lines that make each wrong gradient wrong, with their corrections."""
    found = _lines(bench, truth)
    if not found:
        return {}
    letters = dict(zip(truth.sample.size_of, OTHER_SIZES, strict=False))
    other: dict[Quantity, tuple[BlamedLine, ...]] | None = None
    with suppress(Exception):
        other = _lines(bench, truth_of(bench, truth.sample.sized(letters)))
    if other is None:
        return found
    return {q: both for q in found if (both := _shared(found[q], other.get(q, ())))}


def _shared(
    lines: tuple[BlamedLine, ...], others: tuple[BlamedLine, ...]
) -> tuple[BlamedLine, ...]:
    """Return the lines with a correction that is right for other sizes and numbers too."""
    fixes = {(line.line, line.fix) for line in others}
    return tuple(line for line in lines if (line.line, line.fix) in fixes)


def _lines(bench: Bench, truth: Truth) -> dict[Quantity, tuple[BlamedLine, ...]] | None:
    """Return the lines; None if there is no source, or the body cannot run so."""
    with suppress(Exception):
        body = _body(bench, truth)
        if body is not None:
            return _by_quantity(body, _report(body, truth))
    return None


def _body(bench: Bench, truth: Truth) -> Body | None:
    """Return the only Function that the function under test applies, with its arguments."""
    tensors = [v for v in truth.values if isinstance(v, Tensor)]
    if any(v.numel() > LARGEST for v in tensors) or truth.sample.dtype != "float64":
        return None
    call = FunctionCall(bench.function, truth.values, truth.wanted)
    classes = {cls for output in call.outputs for cls in _functions_behind(output)}
    if len(classes) != 1:
        return None
    (cls,) = classes
    seen: list[tuple[Any, ...]] = []
    apply = cls.apply

    def recorded(*args: Any) -> Any:
        seen.append(args)
        return apply(*args)

    own = bench.function == apply
    if own:
        seen.append(tuple(call.leaves))
    else:
        cls.apply = recorded
        try:
            call = FunctionCall(bench.function, truth.values, truth.wanted)
        finally:
            del cls.apply
    if len(seen) != 1:
        return None
    leaves = {id(leaf): i for i, leaf in enumerate(call.leaves) if isinstance(leaf, Tensor)}
    return Body(cls, seen[0], tuple(leaves.get(id(a)) for a in seen[0]))


def _functions_behind(output: Tensor) -> list[Any]:
    found, todo, visited = [], [output.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in visited:
            continue
        visited.add(node)
        found += [cls for cls in [getattr(type(node), "_forward_cls", None)] if cls is not None]
        todo += [fn for fn, _ in node.next_functions]
    return found


def _report(body: Body, truth: Truth) -> Report:
    session = Session()
    recorder = session.recorder
    cls, ctx = body.function, Context(len(body.arguments))
    run_forward = function.instrumented(cls.forward, recorder, "assign")
    run_backward = function.instrumented(cls.backward, recorder, "param")
    positional, _ = function.arguments(doubles(body.arguments), recorder)
    parameters = list(inspect.signature(cls.forward).parameters)
    separate = cls.setup_context is not torch.autograd.Function.setup_context
    names = parameters if separate else parameters[1:]
    with session.recording():
        if separate:
            result = run_forward(*positional)
            cls.setup_context(ctx, tuple(positional), result)
        else:
            result = run_forward(ctx, *positional)
        outputs = tensors_of(result)
        upstream = [_upstream(truth, i, out) for i, out in enumerate(outputs)]
        recorder.ask(tuple(outputs), tuple(upstream))
        returned = run_backward(ctx, *upstream)
        gradients = returned if isinstance(returned, tuple | list) else (returned,)
        gradients = [tensor_of(gradient) for gradient in gradients]
        named = {n: tensor_of(v) for n, v in zip(names, positional, strict=False)}
        name_returned(session, named, gradients)
    report = session.finish(cls.__name__)
    return unreturned(report, session, "backward", named, gradients)


def _upstream(truth: Truth, output: int, like: Tensor) -> Tensor:
    if output in truth.outputs:
        given = truth.upstream[truth.outputs.index(output)]
        if given.shape == like.shape:
            return given.detach().clone()
    return function.upstream_of(like)


def _by_quantity(body: Body, report: Report) -> dict[Quantity, tuple[BlamedLine, ...]]:
    parameters = [p for p in inspect.signature(body.function.forward).parameters if p != "ctx"]
    position = dict(zip(parameters, body.positions, strict=False))
    found: dict[Quantity, tuple[BlamedLine, ...]] = {}
    for root in report.rows:
        line = _line(root)
        if line is None:
            continue
        for row in report.rows:
            index = position.get(row.node)
            if index is not None and _is_affected(row, root):
                quantity = Quantity("gradient", index)
                found[quantity] = (*found.get(quantity, ()), line)
    return found


def _is_affected(row: Row, root: Row) -> bool:
    return row is root or (row.verdict == "wrong" and root.hand in row.blamed_on)


def _line(row: Row) -> BlamedLine | None:
    """Return the line of a root whose correction was run."""
    place = row.fix_at or row.place
    if row.verdict not in ("wrong", "shape") or row.fix is None or place is None:
        return None
    if row.checked is None or row.blame == "inherited":
        return None
    statement = row.statement if row.fix_at in (None, row.place) else None
    return BlamedLine(place.line, statement, row.fix, row.cause, row.message, row.fix_adds)
