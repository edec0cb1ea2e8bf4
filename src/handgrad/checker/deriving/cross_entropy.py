"""Softmax and cross-entropy recognised, step by step or in functions."""

import torch
from torch import Tensor

from handgrad.checker.composing.graph import Graph, Value
from handgrad.checker.deriving.between import Between, Block, Held, alike
from handgrad.checker.rules import RULES


def cross_entropy(graph: Graph, between: Between, held: Held) -> Block | None:
    """softmax, logarithm, the targets' entries, their mean or sum."""
    if between.others or len(between.ops) < 2:
        return None
    logits, loss = held(between.start), held(between.end)
    rows, wide = logits.shape
    for target in _integers(graph, between):
        if target.dtype != torch.int64 or target.shape != (rows,):
            continue
        if rows == 0 or int(target.min()) < 0 or int(target.max()) >= wide:
            continue
        for reduction in ("mean", "sum"):
            own = torch.nn.functional.cross_entropy(logits, target, reduction=reduction)
            if alike(own, loss):
                given = {"input": between.start.tensor, "target": target, "reduction": reduction}
                rest = {"weight": None, "ignore_index": -100, "label_smoothing": 0.0}
                return Block("softmax_cross_entropy", between, {**given, **rest},
                             RULES["cross_entropy"].forms)  # fmt: skip
    return None


def _integers(graph: Graph, between: Between) -> list[Tensor]:
    """Return the whole numbers that the block reads, and what they are views of (`y[:, None]`)."""
    seen = {id(t): t for op in between.ops for t in op.inputs if t.dtype == torch.int64}
    for tensor in list(seen.values()):
        made = graph.producer(Value(tensor, between.start.at))
        if made is not None:
            seen |= {id(t): t for t in made.inputs if t.dtype == torch.int64}
    return list(seen.values())
