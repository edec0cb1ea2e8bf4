"""Awkward inputs of layers that work element by element, or only move elements."""

import torch
from torch import Tensor

from handgrad.verify.cases.kinds import CaseInputs, Cases, Draw


def _relu(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "makemore": (_away(normal(57, 64)),),
        "ones": (_away(normal(1, 1)),),
        "large": (_away(normal(13, 7) * 1e4),),
        "three dimensions": (_away(normal(5, 3, 7)),),
        "non-contiguous": (_away(normal(7, 13)).t(),),
    }


def _away(x: Tensor) -> Tensor:
    """Return x without values near 0, where there is a kink."""
    return x + 0.01 * x.sign()


def _sigmoid(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "makemore": (normal(57, 64),),
        "ones": (normal(1, 1),),
        "saturated": (normal(13, 7) * 10,),
        "near 0": (normal(13, 7) * 1e-6,),
        "three dimensions": (normal(5, 3, 7),),
        "non-contiguous": (normal(7, 13).t(),),
    }


def _gelu(normal: Draw, integers: Draw) -> CaseInputs:
    tanh, exact = {"exact": False}, {"exact": True}
    return {
        "makemore": ((normal(57, 64),), tanh),
        "exact": ((normal(57, 64),), exact),
        "one number": ((normal(1, 1),), tanh),
        "one number, exact": ((normal(1, 1),), exact),
        "large": ((normal(13, 7) * 4,), tanh),
        "large, exact": ((normal(13, 7) * 4,), exact),
        "near 0": ((normal(13, 7) * 1e-6,), tanh),
        "near 0, exact": ((normal(13, 7) * 1e-6,), exact),
        "three dimensions": ((normal(5, 3, 7),), tanh),
        "non-contiguous": ((normal(7, 13).t(),), exact),
    }


def _add(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "makemore": (normal(57, 64), normal(57, 64)),
        "ones": (normal(1, 1), normal(1, 1)),
        "primes": (normal(13, 7), normal(13, 7)),
        "three dimensions": (normal(5, 3, 7), normal(5, 3, 7)),
        "non-contiguous": (normal(7, 13).t(), normal(13, 14)[:, ::2]),
    }


def _split(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "makemore": (normal(57, 48),),
        "ones": (normal(1, 3),),
        "primes": (normal(13, 21),),
        "three dimensions": (normal(5, 2, 9),),
        "non-contiguous": (normal(15, 13).t(),),
    }


def _flatten_consecutive(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "lecture": ((normal(32, 8, 10),), {"k": 2}),
        "ones": ((normal(1, 1, 1),), {"k": 1}),
        "the whole length": ((normal(3, 5, 7),), {"k": 5}),
        "one in three": ((normal(5, 6, 2),), {"k": 3}),
        "non-contiguous": ((normal(4, 5, 7).transpose(0, 1),), {"k": 2}),
    }


def _dropout(normal: Draw, integers: Draw) -> CaseInputs:
    def row(x: Tensor, seed: int, step: int, p: float, number: int) -> tuple[object, ...]:
        return (x, torch.tensor([seed, step])), {"p": p, "number": number}

    return {
        "makemore": row(normal(57, 64), 3407, 20_000, 0.1, 3),
        "ones": row(normal(1, 1), 0, 1, 0.5, 0),
        "nothing dropped": row(normal(13, 7), 1, 1, 0.0, 0),
        "most dropped": row(normal(13, 7), 1, 1, 0.9, 1),
        "large seed": row(normal(13, 7), 2**62 + 12345, 2**40, 0.3, 2),
        "negative seed": row(normal(13, 7), -7, 5, 0.3, 2),
        "three dimensions": row(normal(5, 3, 7), 5, 8, 0.2, 1),
        "non-contiguous": row(normal(7, 13).t(), 5, 8, 0.2, 1),
    }


CASES: Cases = {
    "relu": _relu,
    "sigmoid": _sigmoid,
    "gelu": _gelu,
    "add": _add,
    "split": _split,
    "flatten_consecutive": _flatten_consecutive,
    "dropout": _dropout,
}
