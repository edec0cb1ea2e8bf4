"""Recognise a softmax, written in steps or with a mask in front of it (attention)."""

from collections.abc import Iterator
from functools import partial
from math import inf

import torch
from torch import Tensor

from handgrad.checker.write.closed_forms import closed_form
from handgrad.checker.write.compose.graph import Graph
from handgrad.checker.write.derive.between import Block, ExactValues, Subgraph, alike
from handgrad.checker.write.derive.cross_entropy import SURE
from handgrad.checker.write.rules.rule import Forms, OpCall, canonical


def softmax(graph: Graph, subgraph: Subgraph, exact: ExactValues) -> Block | None:
    """Return the block if it scales, masks and normalises with exp, as attention does.

    A masked element has the probability 0, so its gradient needs no mask.
    """
    if subgraph.others or len(subgraph.ops) < 2 or subgraph.end.bind is None:
        return None
    x, out = exact.of(subgraph.start), exact.of(subgraph.end)
    if not out.numel() or float(out.min()) < 0 or float(out.max()) > 1:
        return None
    for scale, factor in _scales(subgraph):
        scores = (x * scale).masked_fill(out == 0, -inf)
        for dim in range(-1, -x.dim() - 1, -1):
            if alike(torch.softmax(scores, dim), out):
                if _is_sure(out, dim):
                    return None
                forms = partial(_forms, factor=factor, dim=dim)
                return Block("softmax", subgraph, {"input": subgraph.start.tensor}, forms)
    return None


def _is_sure(out: Tensor, dim: int) -> bool:
    """Tell whether a probability is almost 1 beside others: `d - sum(p * d)` loses its digits."""
    several = (out > 0).sum(dim) > 1
    return bool(((out > SURE).any(dim) & several).any())


def _forms(c: OpCall, factor: float | None, dim: int) -> Forms:
    text = closed_form("softmax", p="out", d="d", dim=dim)
    return {"input": text if factor is None else f"{c.number(factor)} * {text}"}


def _scales(subgraph: Subgraph) -> Iterator[tuple[float, float | None]]:
    """Yield the factors of the scores that are products with a number; None for no factor."""
    yield 1.0, None
    for op in subgraph.ops:
        if canonical(op.func)[0] == "mul":
            yield from ((a, a) for a in op.args if isinstance(a, float))
