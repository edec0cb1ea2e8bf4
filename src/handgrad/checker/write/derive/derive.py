"""From a recorded pass to a Derivation."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from handgrad.checker.passes.forward import ForwardPass, find_passes
from handgrad.checker.passes.truth import Pass, differentiated
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Trace
from handgrad.checker.records import CellError, Place
from handgrad.checker.write.compose.branches import loss_names
from handgrad.checker.write.compose.expression import Expr, parsed, printed
from handgrad.checker.write.compose.graph import Graph, Value, zeros_as
from handgrad.checker.write.compose.references import References
from handgrad.checker.write.derive.blocks import write_fused
from handgrad.checker.write.derive.records import Derivation, Gradient, Step
from handgrad.checker.write.derive.verify import Run, Values, verdict_of
from handgrad.checker.write.derive.writer import Writer, Written, seed_of
from handgrad.errors import CheckError

NO_LOSS = "nothing to derive: no loss was computed from named tensors"


def choose_pass(trace: Trace, file: str, loss: str | None = None) -> ForwardPass:
    """Return the pass to derive: of the loss named so, else the longest that backward() was called
    on, else the longest. Raises CheckError, one line, where there is none."""
    passes = _passes(trace, file)
    named = [(p, _loss_name(p)) for p in passes]
    if loss is not None:
        named = [(p, name) for p, name in named if name == loss]
        if not named:
            raise CheckError(f"{file}: no loss is named {loss}")
    if not named:
        raise CheckError(f"{file}: {NO_LOSS}")
    return max((p for p, _ in named), key=lambda p: (p.backward is not None, len(p.nodes())))


def latest_pass(trace: Trace, names: Mapping[str, Any], file: str) -> ForwardPass:
    """Return the pass to derive in a notebook: of the losses that still have a name, one that
    backward() was called on before others, then the newest. Raises CheckError, one line."""
    passes = _passes(trace, file)
    if not passes:
        raise CheckError(f"{file}: {NO_LOSS}")
    held = {id(value) for value in names.values()}

    def rank(p: ForwardPass) -> tuple[bool, bool, int]:
        return id(p.outputs[0]) in held, p.backward is not None, p.end

    return max(passes, key=rank)


def _passes(trace: Trace, file: str) -> list[ForwardPass]:
    try:
        passes = find_passes(trace, {})
        if not passes:  # nothing requires a gradient: whatever has a name is differentiated by
            names = {b.name for b in trace.of(Bind) if b.value.is_floating_point()}
            passes = find_passes(trace, {f"d{name}": name for name in names})
    except CheckError as error:
        raise CheckError(f"{file}: {error}") from error
    return passes


def derive_pass(
    undone: ForwardPass,
    file: str,
    fused: bool = False,
    errors: Sequence[CellError] = (),
    seed: tuple[str, Tensor] | None = None,
    own: Mapping[int, str] | None = None,
) -> Derivation:
    """Write the backward pass, run it, and judge every gradient. `seed` is the gradient of the
    output by name and value, where it is not 1. Raises CheckError where torch cannot differentiate
    the pass again."""
    graph = Graph(undone)
    refs = References(graph, loss_names(graph))
    nodes = _nodes(graph, refs)
    unnamed = sorted((bind for _, bind in nodes if bind.index < 0), key=lambda b: b.index)
    try:
        forward = differentiated(replace(undone, events=[*unnamed, *undone.events]))
    except RuntimeError as error:
        reason = str(error).split("\n")[0]
        raise CheckError(f"{file}: the way to the loss cannot be run again: {reason}") from error
    upstream = seed_of(graph)
    if seed is not None:
        upstream = Expr(parsed(seed[0]), zeros_as(seed[1]))
    writer = Writer(graph, refs, own or {}, upstream)
    doubles = Values(forward, forward.replayed())
    written = write_fused(writer, doubles) if fused else writer.write()
    lines = _laid_out(written)
    given = {} if seed is None else {seed[0]: seed[1]}
    run = Run(lines, refs, Values(forward), given)
    exact = Run(lines, refs, doubles, _double(given))
    gradients = [
        _judged(forward, writer, value, bind, run, exact)
        for value, bind in nodes
        if id(value) not in writer.inside
    ]
    steps = [_step(s, why) for s, why in written.missing]
    steps += [_failed(line, why) for line, why in run.failed.items()]
    return Derivation(file, _loss_name(forward) or "loss", tuple(lines), tuple(gradients),
                      tuple(steps), tuple(errors))  # fmt: skip


def _nodes(graph: Graph, refs: References) -> list[tuple[Value, Bind]]:
    """Return the values that get a gradient, the last one first, each with a name for the judge."""
    found: list[tuple[Value, Bind]] = []
    output, without = graph.output(), 0
    for value in reversed(graph.values):
        if not value.live or value is output or value.spoilt:
            continue
        if value.until is not None and value.op is not None:
            continue  # a state on the way, written over in place
        own = [b for b in value.binds if b.kind != "param"] or (
            value.binds if value.op is None else []
        )
        if not own and value.op is None and (node := refs.named(value)) is not None:
            without += 1
            statement = Statement(Place(0), "")
            own = [Bind(-without, printed(node), value.tensor, "assign", statement)]
            value.binds.append(own[0])
        if own and _reaches(graph, value):
            found.append((value, own[0]))
    return found


def _reaches(graph: Graph, value: Value) -> bool:
    """Tell whether the loss comes from the value at all."""
    todo, seen = [value], {id(value)}
    while todo:
        for op in graph.users.get(id(todo.pop()), ()):
            for made in graph.made[op.index]:
                if made is graph.output():
                    return True
                if made.live and id(made) not in seen:
                    seen.add(id(made))
                    todo.append(made)
    return False


def _judged(
    forward: Pass, writer: Writer, value: Value, bind: Bind, run: Run, exact: Run
) -> Gradient:
    written = writer.written
    name = written.gradients.get(id(value)) or writer.names.gradient(value)
    shape = tuple(value.tensor.shape)
    if id(value) in written.broken or id(value) not in written.gradients:
        return Gradient(bind.name, name, None, shape)
    bind = next((b for b in value.binds if b.index in forward.truth), bind)
    formula = exact.names.get(name)
    verdict, ratio, far = verdict_of(
        forward, bind, run.names.get(name), formula if isinstance(formula, Tensor) else None
    )
    return Gradient(bind.name, name, verdict, shape, ratio, far)


def _laid_out(written: Written) -> list[str]:
    """The lines: what is computed again first; a line that only says what is undone and undoes
    nothing is left out."""
    lines: list[str] = []
    if written.again:
        lines += ["# computed again: no name stands for these any more", *written.again]
    for i, line in enumerate(written.lines):
        following = written.lines[i + 1] if i + 1 < len(written.lines) else "#"
        idle = line.startswith("#") and following.startswith("#")
        idle = idle and not _says(line) and not _says(following)
        if idle and not _continues(written.lines, i):
            continue
        lines.append(line)
    return lines


def _says(line: str) -> bool:
    return re.match(r"# (no rule for|cannot be written)", line) is not None


def _continues(lines: Sequence[str], i: int) -> bool:
    """Whether a comment is one line of several that belong to something."""
    while i < len(lines) and lines[i].startswith("#"):
        i += 1
    return i < len(lines)


def _step(statement: Statement | None, why: str) -> Step:
    if statement is None:
        return Step("", None, None, why)
    return Step(statement.text, statement.place.line, statement.place.cell, why)


def _failed(line: str, why: str) -> Step:
    return Step(line, None, None, f"the derived line raised {why}")


def _loss_name(forward: ForwardPass) -> str | None:
    ids = {id(t) for t in forward.outputs}
    named = [b.name for b in forward.trace.of(Bind) if id(b.value) in ids and b.kind != "param"]
    return named[0] if named else None


def _double(given: Mapping[str, Any]) -> dict[str, Tensor]:
    return {k: v.double() if v.is_floating_point() else v for k, v in given.items()}


__all__ = ["choose_pass", "derive_pass", "latest_pass"]
