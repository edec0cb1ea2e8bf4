"""Softmax and cross-entropy recognised, step by step or in functions."""

import torch
from torch import Tensor

from handgrad.checker.write.closed_forms import closed_form
from handgrad.checker.write.compose.graph import Graph, Value
from handgrad.checker.write.derive.between import Between, Block, Held, alike
from handgrad.checker.write.rules import RULES
from handgrad.checker.write.rules.rule import Call, Forms

SURE = 0.999
"""A target's probability from which on, less 1, it has lost three digits or more."""


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
                sure = torch.softmax(logits, 1).gather(1, target[:, None]).max() > SURE
                forms = _by_the_others if sure else RULES["cross_entropy"].forms
                return Block("softmax_cross_entropy", between, {**given, **rest}, forms)
    return None


def _by_the_others(c: Call) -> Forms:
    """At the target, probability - 1 as minus the sum of the others."""
    rows = c.number(c.shape()[0], c.size_at(0))
    divided = f" / {rows}" if c["reduction"] == "mean" else ""
    slope = closed_form("cross_entropy_of_others", others="others", target="hot")
    return {
        "$hot": closed_form("one_hot", index="target", classes=c.size_at(1)),
        "$others": closed_form("other_probabilities", logits="input", target="hot"),
        "input": f"{slope} * d{divided}",
    }


def _integers(graph: Graph, between: Between) -> list[Tensor]:
    """Return the whole numbers that the block reads, and what they are views of (`y[:, None]`)."""
    seen = {id(t): t for op in between.ops for t in op.inputs if t.dtype == torch.int64}
    for tensor in list(seen.values()):
        made = graph.producer(Value(tensor, between.start.at))
        if made is not None:
            seen |= {id(t): t for t in made.inputs if t.dtype == torch.int64}
    return list(seen.values())
