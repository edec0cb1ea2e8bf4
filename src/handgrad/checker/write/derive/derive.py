"""Derive a recorded pass: choose it, write its backward pass, run it, judge its gradients."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from handgrad.checker.passes.find import find_passes, make_pass
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.truth import Pass, differentiated
from handgrad.checker.record.carriers import is_array
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Trace
from handgrad.checker.records import CellError, Place
from handgrad.checker.write.compose.branches import loss_names, numpy_name
from handgrad.checker.write.compose.expression import Expr, parsed, printed
from handgrad.checker.write.compose.graph import Graph, Value, zeros_as
from handgrad.checker.write.compose.references import References
from handgrad.checker.write.derive.blocks import write_fused
from handgrad.checker.write.derive.records import Derivation, Gradient, MissingStep
from handgrad.checker.write.derive.verify import ExecutedLines, TensorValues, verdict_of
from handgrad.checker.write.derive.writer import DerivedLines, Writer, seed_of
from handgrad.checker.write.dialect import in_numpy
from handgrad.errors import CheckError

NO_LOSS = "nothing to derive: no loss was computed from named tensors"


def choose_pass(trace: Trace, file: str, loss: str | None = None) -> ForwardPass:
    """Return the pass to derive: that of `loss`, or the longest.

    Passes on which backward() was called come first. Raises CheckError if there is none.
    """
    passes = [p for p in _passes(trace) if loss in (None, _loss_name(p))]
    if not passes:
        raise CheckError(f"{file}: {NO_LOSS if loss is None else f'no loss is named {loss}'}")
    return max(passes, key=lambda p: (p.backward is not None, len(p.nodes()), p.end))


def latest_pass(trace: Trace, names: Mapping[str, Any], file: str) -> ForwardPass:
    """Return the newest pass of a notebook whose loss one of `names` still holds.

    Passes on which backward() was called come first. Raises CheckError if there is none.
    """
    passes = _passes(trace)
    if not passes:
        raise CheckError(f"{file}: {NO_LOSS}")
    values = {id(value) for value in names.values()}
    return max(passes, key=lambda p: (id(p.outputs[0]) in values, p.backward is not None, p.end))


def array_pass(trace: Trace, out: Tensor, upstream: Tensor, name: str) -> ForwardPass:
    """Return the pass of NumPy code that leads to `out`, differentiated by its named inputs.

    Raises CheckError if `out` depends on none.
    """
    named = {b.name for b in trace.of(Bind) if b.value.is_floating_point()}
    hands = {f"d{name}": name for name in named}
    made = make_pass(trace, (out,), (upstream,), None, hands)
    if made is None:
        raise CheckError(
            f"{name}: nothing to derive: the result depends on no floating-point array among the "
            "inputs"
        )
    return made


def _passes(trace: Trace) -> list[ForwardPass]:
    passes = find_passes(trace, {})
    required = [p for p in passes if p.asked is None]
    if required:
        return required
    # nothing requires a gradient: differentiate by every named tensor
    names = {b.name for b in trace.of(Bind) if b.value.is_floating_point()}
    return find_passes(trace, {f"d{name}": name for name in names})


def derive_pass(
    undone: ForwardPass,
    file: str,
    fused: bool = False,
    errors: Sequence[CellError] = (),
    seed: tuple[str, Tensor] | None = None,
) -> Derivation:
    """Write the backward pass, run it, and judge every gradient.

    `seed` is the gradient of the output by name and value; None stands for 1. Raises CheckError if
    the pass cannot be replayed.
    """
    graph = Graph(undone)
    refs = References(graph, loss_names(graph))
    nodes = nodes_of(graph, refs)
    unnamed = sorted((bind for _, bind in nodes if bind.index < 0), key=lambda b: b.index)
    try:
        forward = differentiated(replace(undone, events=[*unnamed, *undone.events]))
    except RuntimeError as error:
        reason = str(error).split("\n")[0]
        raise CheckError(f"{file}: the forward pass cannot be replayed: {reason}") from error
    upstream = Expr(parsed(seed[0]), zeros_as(seed[1])) if seed is not None else seed_of(graph)
    writer = Writer(graph, refs, upstream)
    doubles = TensorValues(forward, forward.replayed())
    derived = write_fused(writer, doubles) if fused else writer.write()
    lines = laid_out(derived)
    extra = {} if seed is None else {seed[0]: seed[1]}
    run = ExecutedLines(lines, refs, TensorValues(forward), extra)
    exact = ExecutedLines(lines, refs, doubles, {k: v.double() for k, v in extra.items()})
    gradients = [
        _judged(forward, writer, value, bind, run, exact)
        for value, bind in nodes
        if id(value) not in writer.inside
    ]
    missing = [_missing_step(statement, reason) for statement, reason in derived.missing]
    missing += [
        MissingStep(line, None, None, f"the derived line raised {error}")
        for line, error in run.failed.items()
    ]
    if is_array(undone.outputs[0]):
        alias = numpy_name(loss_names(graph))
        lines = [in_numpy(line, alias) for line in lines]
    return Derivation(file, _loss_name(forward) or "loss", tuple(lines), tuple(gradients),
                      tuple(missing), tuple(errors))  # fmt: skip


def nodes_of(graph: Graph, refs: References) -> list[tuple[Value, Bind]]:
    """Return the values that get a gradient, the last first, each with a name for its verdict."""
    nodes: list[tuple[Value, Bind]] = []
    output, unnamed, upstream = graph.output(), 0, _upstream_of_output(graph)
    for value in reversed(graph.values):
        if not value.live or value is output or value.aliased_write:
            continue
        if value.until is not None and value.op is not None:
            continue  # an intermediate state that was overwritten in place
        bind = value.bind
        if bind is None and value.op is None:
            bind = next(iter(value.binds), None)
            if bind is None and (node := refs.named(value)) is not None:
                unnamed += 1
                nowhere = Statement(Place(0), "")
                bind = Bind(-unnamed, printed(node), value.tensor, "assign", nowhere)
                value.binds.append(bind)
        if bind is not None and id(value) in upstream:
            nodes.append((value, bind))
    return nodes


def _upstream_of_output(graph: Graph) -> set[int]:
    """Return the ids of the values on which the output depends."""
    ids = {id(graph.output())}
    for op in reversed(graph.ops):
        if any(id(v) in ids for v in graph.results[op.index]):
            ids |= {id(v) for v in graph.reads[op.index].values() if v.live}
    return ids


def _judged(
    forward: Pass,
    writer: Writer,
    value: Value,
    bind: Bind,
    run: ExecutedLines,
    exact: ExecutedLines,
) -> Gradient:
    derived = writer.derived
    name = derived.gradients.get(id(value)) or writer.names.gradient(value)
    shape = tuple(value.tensor.shape)
    if id(value) in derived.broken or id(value) not in derived.gradients:
        return Gradient(bind.name, name, None, shape)
    bind = next((b for b in value.binds if b.index in forward.truth), bind)
    formula = exact.names.get(name)
    verdict, ratio, max_abs_diff = verdict_of(
        forward, bind, run.names.get(name), formula if isinstance(formula, Tensor) else None
    )
    return Gradient(bind.name, name, verdict, shape, ratio, max_abs_diff)


def laid_out(derived: DerivedLines) -> list[str]:
    """Return the lines, recomputed tensors first, without forward lines that nothing undoes."""
    lines: list[str] = []
    if derived.recomputed:
        lines += ["# recomputed: no name holds these tensors", *derived.recomputed]
    for i, line in enumerate(derived.lines):
        following = derived.lines[i + 1] if i + 1 < len(derived.lines) else "#"
        is_idle = line.startswith("#") and following.startswith("#")
        is_idle = is_idle and not _is_reason(line) and not _is_reason(following)
        if not is_idle or _heads_a_statement(derived.lines, i):
            lines.append(line)
    return lines


def _is_reason(line: str) -> bool:
    return re.match(r"# (no rule for|cannot be written)", line) is not None


def _heads_a_statement(lines: Sequence[str], i: int) -> bool:
    """Tell whether a statement follows a comment, perhaps after more comment lines."""
    return not all(line.startswith("#") for line in lines[i:])


def _missing_step(statement: Statement | None, reason: str) -> MissingStep:
    if statement is None:
        return MissingStep("", None, None, reason)
    return MissingStep(statement.text, statement.place.line, statement.place.cell, reason)


def _loss_name(forward: ForwardPass) -> str | None:
    ids = {id(t) for t in forward.outputs}
    binds = (b for b in forward.trace.of(Bind) if id(b.value) in ids and b.kind != "param")
    return next((b.name for b in binds), None)
