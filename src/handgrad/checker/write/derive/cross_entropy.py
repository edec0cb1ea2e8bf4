"""Recognise softmax and cross-entropy, written in steps or as functions."""

import torch
from torch import Tensor

from handgrad.checker.write.closed_forms import closed_form
from handgrad.checker.write.compose.graph import Graph, Value
from handgrad.checker.write.derive.between import Block, ExactValues, Subgraph, alike
from handgrad.checker.write.rules import RULES
from handgrad.checker.write.rules.rule import Forms, OpCall

SURE = 0.999
"""Above this probability of a target, `probability - 1` loses three digits or more."""


def cross_entropy(graph: Graph, subgraph: Subgraph, exact: ExactValues) -> Block | None:
    """Return the block if it is softmax, logarithm, the targets' entries, their mean or sum."""
    if subgraph.others or len(subgraph.ops) < 2:
        return None
    logits, loss = exact.of(subgraph.start), exact.of(subgraph.end)
    rows, classes = logits.shape
    for target in _integers(graph, subgraph):
        if target.shape != (rows,) or rows == 0:
            continue
        if int(target.min()) < 0 or int(target.max()) >= classes:
            continue
        for reduction in ("mean", "sum"):
            known = torch.nn.functional.cross_entropy(logits, target, reduction=reduction)
            if alike(known, loss):
                values = {
                    "input": subgraph.start.tensor,
                    "target": target,
                    "reduction": reduction,
                    "weight": None,
                    "ignore_index": -100,
                    "label_smoothing": 0.0,
                }
                sure = torch.softmax(logits, 1).gather(1, target[:, None]).max() > SURE
                forms = _by_the_others if sure else RULES["cross_entropy"].forms
                return Block("softmax_cross_entropy", subgraph, values, forms)
    return None


def _by_the_others(c: OpCall) -> Forms:
    """Write `probability - 1` at the target as minus the sum of the other probabilities."""
    rows = c.number(c.shape()[0], c.size_at(0))
    divided = f" / {rows}" if c["reduction"] == "mean" else ""
    slope = closed_form("cross_entropy_of_others", others="others", target="hot")
    return {
        "$hot": closed_form("one_hot", index="target", classes=c.size_at(1)),
        "$others": closed_form("other_probabilities", logits="input", target="hot"),
        "input": f"{slope} * d{divided}",
    }


def _integers(graph: Graph, subgraph: Subgraph) -> list[Tensor]:
    """Return the integer tensors that the block reads, and those they are views of."""
    tensors = {id(t): t for op in subgraph.ops for t in op.inputs if t.dtype == torch.int64}
    for tensor in list(tensors.values()):
        op = graph.producer(Value(tensor, subgraph.start.at))  # y of y[:, None]
        if op is not None:
            tensors |= {id(t): t for t in op.inputs if t.dtype == torch.int64}
    return list(tensors.values())
