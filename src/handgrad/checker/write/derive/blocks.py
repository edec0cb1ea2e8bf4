"""`--fused`: known blocks undone in closed form, the steps inside them passed over.

A block is recognised by what it computes: between one named tensor and another, nothing else that
has a gradient comes in but gain and bias, nothing goes out, and on the recorded values it gives
what the known block gives. The lines are verified like any others.
"""

from bisect import bisect
from collections.abc import Callable, Iterator
from typing import Any

from handgrad.checker.record.trace import tensors_in
from handgrad.checker.write.compose.graph import Graph, Value
from handgrad.checker.write.compose.references import Unreachable
from handgrad.checker.write.derive.between import Between, Block, Held, between
from handgrad.checker.write.derive.cross_entropy import cross_entropy
from handgrad.checker.write.derive.normalisation import normalisation
from handgrad.checker.write.derive.verify import Values
from handgrad.checker.write.derive.writer import Writer, Written
from handgrad.checker.write.rules.rule import NoRule

MANY_OPS = 60
"""Operations between two tensors beyond which no block is looked for: a known one has 20."""


def write_fused(writer: Writer, exact: Values) -> Written:
    """Write the pass with its known blocks undone as wholes; `exact` are its values in float64."""
    graph = writer.graph
    blocks = find_blocks(graph, Held(graph, exact))
    last = {block.between.end.op.index: block for block in blocks if block.between.end.op}
    inside = {op.index for block in blocks for op in block.between.ops}
    for op in reversed(graph.ops):
        if op.index in last:
            if _undo(writer, last[op.index]):
                continue
            inside -= {own.index for own in last[op.index].between.ops}
        if op.index not in inside:
            writer.undo(op)
    return writer.written


def _undo(writer: Writer, block: Block) -> bool:
    """Write one block; tell whether it could be written, else its steps are to be undone."""
    graph, whole = writer.graph, block.between
    op = whole.end.op
    assert op is not None
    d = [writer.gradient(v) for v in graph.made[op.index]]
    if all(own is None for own in d):
        return True
    read, n_lines = graph.reads[op.index], len(writer.written.lines)
    ends_in = {id(v.tensor): v for v in (whole.start, *whole.others)}
    given = tensors_in(tuple(block.values.values()))  # a step on the way gets no gradient
    graph.reads[op.index] = read | {id(t): Value(t, whole.start.at) for t in given} | ends_in
    ends = [writer.names.stem(v) for v in (whole.start, whole.end) if v.bind is not None]
    writer.say(f"{' to '.join(ends)}: {block.name}, in closed form")
    try:
        statements = [s for o in whole.ops if (s := graph.statement(o)) is not None]
        values = dict(block.values)
        for share in writer.composer.applied(op, block.name, values, block.forms, d, statements):
            writer.give(share)
    except (NoRule, Unreachable):
        graph.reads[op.index] = read
        del writer.written.lines[n_lines:]
        return False
    writer.inside |= {id(v) for o in whole.ops for v in graph.made[o.index] if v is not whole.end}
    return True


def find_blocks(graph: Graph, held: Held) -> list[Block]:
    """Return the blocks, the largest first, none of which shares an operation with another."""
    found: list[Block] = []
    taken: set[int] = set()
    for block in _candidates(graph, held):
        own = {op.index for op in block.between.ops}
        if not own & taken:
            found.append(block)
            taken |= own
    return found


def _candidates(graph: Graph, held: Held) -> Iterator[Block]:
    numbers = [op.index for op in graph.ops]
    starts = [v for v in graph.values if v.live and v.bind is not None and v.tensor.dim() >= 2]
    ends = [v for v in graph.values if v.live and v.op is not None]
    for start in starts:
        for end in reversed(ends):
            far = bisect(numbers, end.at) - bisect(numbers, start.at)
            if not 0 < far <= MANY_OPS or (end.bind is None and end is not graph.output()):
                continue
            for recognise in RECOGNISED:
                if _may_be(recognise, start, end) and (found := between(graph, start, end)):
                    block = recognise(graph, found, held)
                    if block is not None:
                        yield block


def _may_be(recognise: Any, start: Value, end: Value) -> bool:
    if recognise is cross_entropy:
        return end.tensor.dim() == 0 and start.tensor.dim() == 2
    return end.tensor.shape == start.tensor.shape


RECOGNISED: tuple[Callable[[Graph, Between, Held], Block | None], ...] = (
    cross_entropy,
    normalisation,
)
