"""What another process needs to judge right gradients again, and how it does so."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch

from handgrad.checker.judge.grade import Grade
from handgrad.checker.passes.compare import ratio_of
from handgrad.checker.passes.noise import noise_of
from handgrad.checker.passes.packing import Packer, Unpackable, Unpacked
from handgrad.checker.passes.truth import Pass

DIGITS = 1e-3
"""A gradient that agrees to three digits, or within what rounding explains, is confirmed: what is
right by another convention was judged where all is known of it."""
RATIO = 1e3
DRAWS = 2


def evidence_of(forward: Pass, grades: Sequence[Grade]) -> dict[str, Any] | None:
    """Return the pass with its right gradients by hand as plain data, or None if it cannot be."""
    right = [g for g in grades if g.right and id(g.hand.node.value) not in forward.parts_of]
    packer = Packer(forward)
    with suppress(Unpackable, RuntimeError, KeyError), torch.no_grad():
        packed = packer.packed({g.hand.node.index: g.hand.node for g in right})
        return {
            "pass": packed,
            "eps": forward.eps,
            "hands": [
                {
                    "hand": grade.hand.name,
                    "tensor": grade.hand.node.name,
                    "node": grade.hand.node.index,
                    "factor": forward.factors.get(id(grade.hand.node.value), 1.0),
                    "value": packer.constant(grade.value),
                }
                for grade in right
            ],
        }
    return None


def judged_again(evidence: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Return the gradients by hand with their tensors, and whether each is right."""
    unpacked = Unpacked(evidence["pass"])
    truth = unpacked.gradients()
    order = list(truth)

    def moved(move: Any) -> list[Any]:
        found = unpacked.gradients(move)
        return [found.get(index) for index in order]

    values = [truth[index] for index in order]
    noise = dict(zip(order, noise_of(moved, values, evidence["eps"], DRAWS), strict=True))
    judged = []
    for hand in evidence["hands"]:
        index = hand["node"]
        if index not in truth:
            continue
        value = unpacked.constant(hand["value"])
        expected = truth[index] * hand["factor"]
        is_right = value.shape == expected.shape
        if is_right and value.numel():
            level = noise[index]
            error = (value - expected).abs().max()
            is_near = bool(error <= DIGITS * expected.abs().max())
            is_right = is_near or (
                level is not None and ratio_of(value, None, expected, level) <= RATIO
            )
        judged.append((hand["hand"], hand["tensor"], is_right))
    return judged
