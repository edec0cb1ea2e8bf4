"""`--fused`: write known blocks in closed form, without the steps inside them.

A block is recognised by the values that it computes. It lies between two named tensors, nothing
inside it is used elsewhere, and a gain and a bias are the only other inputs with a gradient. On the
recorded values it gives the result of the known block. Its lines are verified like all others.
"""

from bisect import bisect
from collections.abc import Callable, Iterator

from handgrad.checker.record.trace import tensors_in
from handgrad.checker.write.compose.graph import Graph, Value
from handgrad.checker.write.compose.references import Unreachable
from handgrad.checker.write.derive.between import Block, ExactValues, Subgraph, between
from handgrad.checker.write.derive.cross_entropy import cross_entropy
from handgrad.checker.write.derive.normalisation import normalisation
from handgrad.checker.write.derive.softmax import softmax
from handgrad.checker.write.derive.verify import TensorValues
from handgrad.checker.write.derive.writer import DerivedLines, Writer
from handgrad.checker.write.rules.rule import NoRule, canonical

MANY_OPS = 60
"""Largest number of operations in a block. The known blocks have up to 20."""


def write_fused(writer: Writer, exact: TensorValues) -> DerivedLines:
    """Write the pass with its known blocks in closed form. `exact` are its float64 values."""
    graph = writer.graph
    blocks = find_blocks(graph, ExactValues(graph, exact))
    last = {block.subgraph.end.op.index: block for block in blocks if block.subgraph.end.op}
    inside = {op.index for block in blocks for op in block.subgraph.ops}
    for op in reversed(graph.ops):
        if op.index in last:
            if _write_block(writer, last[op.index]):
                continue
            inside -= {step.index for step in last[op.index].subgraph.ops}
        if op.index not in inside:
            writer.undo(op)
    return writer.derived


def _write_block(writer: Writer, block: Block) -> bool:
    """Write one block; return False, and write nothing, if its closed form cannot be written."""
    graph, subgraph = writer.graph, block.subgraph
    op = subgraph.end.op
    assert op is not None
    d = [writer.gradient(v) for v in graph.results[op.index]]
    if all(gradient is None for gradient in d):
        return True
    reads, n_lines = graph.reads[op.index], len(writer.derived.lines)
    _read_inputs_of(graph, block)
    ends = [writer.names.stem(v) for v in (subgraph.start, subgraph.end) if v.bind is not None]
    writer.comment(f"{' to '.join(ends)}: {block.name}, in closed form")
    try:
        statements = [s for step in subgraph.ops if (s := graph.statement(step)) is not None]
        for contribution in writer.composer.applied(
            op, block.name, dict(block.values), block.forms, d, statements
        ):
            writer.add(contribution)
    except (NoRule, Unreachable):
        graph.reads[op.index] = reads
        del writer.derived.lines[n_lines:]
        return False
    writer.inside |= {id(v) for step in subgraph.ops for v in graph.results[step.index]
                      if v is not subgraph.end}  # fmt: skip
    return True


def _read_inputs_of(graph: Graph, block: Block) -> None:
    """Let the block's last operation read the inputs of the block, as its closed form does."""
    start, op = block.subgraph.start, block.subgraph.end.op
    assert op is not None
    steps = tensors_in(tuple(block.values.values()))  # a step inside the block gets no gradient
    inputs = {id(v.tensor): v for v in (start, *block.subgraph.others)}
    constants = {id(t): Value(t, start.at) for t in steps}
    graph.reads[op.index] = {**graph.reads[op.index], **constants, **inputs}


def find_blocks(graph: Graph, exact: ExactValues) -> list[Block]:
    """Return blocks that have no operation in common, the largest first."""
    blocks: list[Block] = []
    taken: set[int] = set()
    for block in _candidates(graph, exact):
        ops = {op.index for op in block.subgraph.ops}
        if not ops & taken:
            blocks.append(block)
            taken |= ops
    return blocks


def _candidates(graph: Graph, exact: ExactValues) -> Iterator[Block]:
    numbers = [op.index for op in graph.ops]
    starts = [v for v in graph.values if v.live and v.bind is not None and v.tensor.dim() >= 2]
    ends = [v for v in graph.values if v.live and v.op is not None]
    for start in starts:
        for end in reversed(ends):
            n_ops = bisect(numbers, end.at) - bisect(numbers, start.at)
            if not 0 < n_ops <= MANY_OPS or (end.bind is None and end is not graph.output()):
                continue
            for recognise in RECOGNISED:
                if not _may_be(recognise, start, end):
                    continue
                subgraph = between(graph, start, end)
                block = None if subgraph is None else recognise(graph, subgraph, exact)
                if block is not None:
                    yield block


Recogniser = Callable[[Graph, Subgraph, ExactValues], Block | None]


def _may_be(recognise: Recogniser, start: Value, end: Value) -> bool:
    """Tell by the shapes whether a recogniser applies."""
    if recognise is cross_entropy:
        return end.tensor.dim() == 0 and start.tensor.dim() == 2
    if recognise is softmax and (end.op is None or canonical(end.op.func)[0] not in SOFTMAX_ENDS):
        return False
    return end.tensor.shape == start.tensor.shape


SOFTMAX_ENDS = {"softmax", "div", "mul", "exp"}
"""The operations that a softmax may end with."""
RECOGNISED: tuple[Recogniser, ...] = (cross_entropy, normalisation, softmax)
